/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.c - parsing by table, help by table, and the way from an error to an exit code.
 *
 * Parsing runs in one pass over argv: every word is a flag of the table, the value of the flag
 * before it, or an operand. Names that nobody knows are answered with the nearest one that exists.
 */
#include "tools/cli.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/config.h"
#include "tools/interrupt.h"

static const struct tool_option common[] = {
    {.name = "json", .type = TOOL_FLAG, .what = "Print one JSON document on stdout."},
    {.name = "help", .type = TOOL_FLAG, .what = "Print this text."},
};
enum { N_COMMON = sizeof common / sizeof *common };

bool tool_parse_uint(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text) {
        return false;
    }
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || value > (UINT64_MAX - (uint64_t)(*at - '0')) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*at - '0');
    }
    *out = value;
    return true;
}

bool tool_parse_real(const char *text, double *out)
{
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

WF_PRINTF(3, 0)
static enum wf_code fail_with(struct wf_error *err, const char *reason, const char *fmt,
                              va_list args)
{
    char text[sizeof err->text];
    vsnprintf(text, sizeof text, fmt, args);
    wf_fail(err, WF_INVALID, "%s", text);
    wf_reason(err, reason);
    return WF_INVALID;
}

enum wf_code tool_usage(struct wf_error *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    enum wf_code code = fail_with(err, "USAGE", fmt, args);
    va_end(args);
    return code;
}

enum wf_code tool_threshold(struct wf_error *err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    enum wf_code code = fail_with(err, "THRESHOLD", fmt, args);
    va_end(args);
    return code;
}

int tool_exit_code(enum wf_code code, const struct wf_error *err)
{
    static const struct {
        const char *reason;
        int exit;
    } by_reason[] = {
        {"USAGE", TOOL_EXIT_USAGE},
        {"THRESHOLD", TOOL_EXIT_THRESHOLD},
        {"CONFIG", TOOL_EXIT_CONFIG},
        {"MIN_COVERAGE", TOOL_EXIT_THRESHOLD},
    };
    if (code == WF_OK) {
        return TOOL_EXIT_OK;
    }
    for (size_t i = 0; i < sizeof by_reason / sizeof *by_reason; i++) {
        if (strcmp(err->reason, by_reason[i].reason) == 0) {
            return by_reason[i].exit;
        }
    }
    if (code == WF_INVALID || code == WF_DATA_LOSS) {
        return TOOL_EXIT_DATA;
    }
    return code == WF_UNAVAILABLE ? TOOL_EXIT_UNREACHABLE : TOOL_EXIT_RUN;
}

static const struct tool_option *option_at(const struct tool_command *command, unsigned i)
{
    return i < command->n_options ? &command->options[i] : &common[i - command->n_options];
}

static const struct tool_option *find_option(const struct tool_command *command, const char *name,
                                             size_t size, struct wf_error *err)
{
    const unsigned n = command->n_options + N_COMMON;
    const char **names = wf_xarray(const char *, n);
    const struct tool_option *found = NULL;
    for (unsigned i = 0; i < n && !found; i++) {
        names[i] = option_at(command, i)->name;
        if (strlen(names[i]) == size && memcmp(names[i], name, size) == 0) {
            found = option_at(command, i);
        }
    }
    if (!found) {
        char *word = wf_xstrndup(name, size);
        const char *near = wf_nearest(word, names, n);
        tool_usage(err, "unknown flag --%s%s%s%s", word, near ? ", did you mean --" : "",
                   near ? near : "", near ? "?" : "");
        wf_xfree(word);
    }
    wf_xfree(names);
    return found;
}

static enum wf_code check_range(const struct tool_option *o, const char *text, double value,
                                struct wf_error *err)
{
    if ((o->min != 0 || o->max != 0) && (value < o->min || value > o->max)) {
        return tool_usage(err, "--%s %s is outside %.15g to %.15g", o->name, text, o->min, o->max);
    }
    return WF_OK;
}

static enum wf_code store(const struct tool_option *o, const char *text, void *args,
                          struct wf_error *err)
{
    unsigned char *at = (unsigned char *)args + o->offset;
    switch (o->type) {
    case TOOL_FLAG:
        memcpy(at, &(bool){true}, sizeof(bool));
        return WF_OK;
    case TOOL_STR:
        memcpy(at, &text, sizeof text);
        return WF_OK;
    case TOOL_UINT: {
        uint64_t value = 0;
        if (!tool_parse_uint(text, &value)) {
            return tool_usage(err, "--%s wants a whole number, not '%s'", o->name, text);
        }
        memcpy(at, &value, sizeof value);
        return check_range(o, text, (double)value, err);
    }
    case TOOL_REAL: {
        double value = 0;
        if (!tool_parse_real(text, &value)) {
            return tool_usage(err, "--%s wants a number, not '%s'", o->name, text);
        }
        memcpy(at, &value, sizeof value);
        return check_range(o, text, value, err);
    }
    case TOOL_LIST: {
        struct tool_list list;
        memcpy(&list, at, sizeof list);
        if (list.n == TOOL_LIST_MAX) {
            return tool_usage(err, "--%s given more than %d times", o->name, TOOL_LIST_MAX);
        }
        list.values[list.n++] = text;
        memcpy(at, &list, sizeof list);
        return WF_OK;
    }
    }
    return WF_OK;
}

/* One command line on its way into the command's struct. */
struct parser {
    const struct tool_command *command;
    char **argv;
    int argc, at; /* `at` is the word being read */
    void *args;
    bool *given; /* by index of the command's options */
    struct tool_call call;
};

static enum wf_code set_defaults(const struct tool_command *command, void *args,
                                 struct wf_error *err)
{
    memset(args, 0, command->size);
    for (unsigned i = 0; i < command->n_options; i++) {
        const struct tool_option *o = &command->options[i];
        if (o->def) {
            enum wf_code code = store(o, o->def, args, err);
            if (code != WF_OK) {
                return code;
            }
        }
    }
    return WF_OK;
}

/* The value of flag `o`: behind its '=', or the next word. NULL for a flag without. */
static enum wf_code take_value(struct parser *p, const struct tool_option *o, const char *equals,
                               const char **value, struct wf_error *err)
{
    if (o->type == TOOL_FLAG && equals) {
        return tool_usage(err, "--%s takes no value", o->name);
    }
    *value = equals ? equals + 1 : NULL;
    if (o->type == TOOL_FLAG || equals) {
        return WF_OK;
    }
    if (p->at + 1 >= p->argc) {
        return tool_usage(err, "--%s wants %s behind it", o->name, o->value ? o->value : "a value");
    }
    *value = p->argv[++p->at];
    return WF_OK;
}

/* The flag at argv[at]; moves `at` to its last word. */
static enum wf_code parse_flag(struct parser *p, struct wf_error *err)
{
    const char *name = p->argv[p->at] + 2;
    const char *equals = strchr(name, '=');
    const char *value = NULL;
    const size_t size = equals ? (size_t)(equals - name) : strlen(name);
    const struct tool_option *o = find_option(p->command, name, size, err);
    if (!o) {
        return WF_INVALID;
    }
    enum wf_code code = take_value(p, o, equals, &value, err);
    if (code != WF_OK) {
        return code;
    }
    if (o == &common[0] || o == &common[1]) {
        *(o == &common[0] ? &p->call.json : &p->call.help) = true;
        return WF_OK;
    }
    bool *given = &p->given[o - p->command->options];
    if (*given && o->type != TOOL_LIST) {
        return tool_usage(err, "--%s given twice", o->name);
    }
    *given = true;
    return store(o, value, p->args, err);
}

static enum wf_code parse_words(struct parser *p, struct wf_error *err)
{
    enum wf_code code = WF_OK;
    bool flags = true;
    for (p->at = 0; p->at < p->argc && code == WF_OK; p->at++) {
        const char *word = p->argv[p->at];
        if (flags && strcmp(word, "--") == 0) {
            flags = false;
        } else if (flags && strcmp(word, "-h") == 0) {
            p->call.help = true;
        } else if (flags && strncmp(word, "--", 2) == 0) {
            code = parse_flag(p, err);
        } else {
            p->call.operands[p->call.n_operands++] = word;
        }
    }
    return code;
}

static enum wf_code check_complete(const struct parser *p, struct wf_error *err)
{
    const struct tool_command *command = p->command;
    for (unsigned i = 0; i < command->n_options; i++) {
        const struct tool_option *o = &command->options[i];
        if (o->required && !p->given[i]) {
            return tool_usage(err, "--%s %s is missing", o->name, o->value ? o->value : "");
        }
    }
    if (p->call.n_operands < command->min_operands) {
        return tool_usage(err, "%s is missing: %u given", command->operands, p->call.n_operands);
    }
    if (p->call.n_operands > command->max_operands) {
        return tool_usage(err, "'%s' is one argument too many",
                          p->call.operands[command->max_operands]);
    }
    return WF_OK;
}

enum wf_code tool_parse(const struct tool_command *command, int argc, char **argv, void *args,
                        struct tool_call *out, struct wf_error *err)
{
    struct parser p = {.command = command,
                       .argv = argv,
                       .argc = argc,
                       .args = args,
                       .given = wf_xarray(bool, command->n_options + 1),
                       .call = {.command = command, .args = args}};
    p.call.operands = wf_xarray(const char *, (size_t)argc + 1);
    enum wf_code code = set_defaults(command, args, err);
    if (code == WF_OK) {
        code = parse_words(&p, err);
    }
    if (code == WF_OK && !p.call.help) {
        code = check_complete(&p, err);
    }
    if (code == WF_OK) {
        *out = p.call;
    } else {
        wf_xfree(p.call.operands);
    }
    wf_xfree(p.given);
    return code;
}

static void help_option(const struct tool_option *o, FILE *to)
{
    char left[64];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    fprintf(to, "  %-26s %s", left, o->what);
    if (o->required) {
        fputs(" Required.", to);
    }
    if (o->def && o->def[0] != '\0') {
        fprintf(to, " Default: %s.", o->def);
    }
    fputc('\n', to);
}

void tool_help(const char *program, const struct tool_command *command, FILE *to)
{
    fprintf(to, "%s\nUsage: %s %s%s%s [flags]\n\n%s\n\nFlags:\n", command->examples, program,
            command->name, command->operands ? " " : "", command->operands ? command->operands : "",
            command->what);
    for (unsigned i = 0; i < command->n_options + N_COMMON; i++) {
        help_option(option_at(command, i), to);
    }
    if (command->notes) {
        fprintf(to, "\n%s", command->notes);
    }
}

static void help_all(const char *program, const char *about,
                     const struct tool_command *const *commands, unsigned n, FILE *to)
{
    fprintf(to, "%s\nUsage: %s COMMAND [flags]; %s COMMAND --help says more.\n\nCommands:\n", about,
            program, program);
    for (unsigned i = 0; i < n; i++) {
        fprintf(to, "  %-16s %s\n", commands[i]->name, commands[i]->what);
    }
    fputs("\nExit codes: 0 ok, 1 failed at run time, 2 usage, 3 threshold missed, 4 config,\n"
          "5 data damaged or invalid, 6 unreachable.\n",
          to);
}

/* Words of argv that name the command: 0 when they do not. */
static int name_matches(const char *name, int argc, char **argv)
{
    const char *space = strchr(name, ' ');
    size_t first = space ? (size_t)(space - name) : strlen(name);
    if (argc < 1 || strlen(argv[0]) != first || memcmp(argv[0], name, first) != 0) {
        return 0;
    }
    if (!space) {
        return 1;
    }
    return argc >= 2 && strcmp(argv[1], space + 1) == 0 ? 2 : 0;
}

/* The first command of two words whose first is `word`. */
static const char *begins_with(const char *word, const char *const *names, unsigned n)
{
    const size_t size = strlen(word);
    for (unsigned i = 0; i < n; i++) {
        if (strncmp(names[i], word, size) == 0 && names[i][size] == ' ') {
            return names[i];
        }
    }
    return NULL;
}

static enum wf_code unknown_command(const struct tool_command *const *commands, unsigned n,
                                    int argc, char **argv, struct wf_error *err)
{
    const char **names = wf_xarray(const char *, n + 1);
    char *both = argc >= 2 ? wf_xprintf("%s %s", argv[0], argv[1]) : wf_xstrdup(argv[0]);
    for (unsigned i = 0; i < n; i++) {
        names[i] = commands[i]->name;
    }
    const char *near = wf_nearest(argv[0], names, n);
    near = near ? near : wf_nearest(both, names, n);
    near = near ? near : begins_with(argv[0], names, n);
    tool_usage(err, "unknown command '%s'%s%s%s", argc >= 2 && argv[1][0] != '-' ? both : argv[0],
               near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    wf_xfree(both);
    wf_xfree(names);
    return WF_INVALID;
}

static enum wf_code run_command(const char *program, const struct tool_command *command, int argc,
                                char **argv, struct wf_error *err)
{
    void *args = wf_xcalloc(1, command->size ? command->size : 1);
    struct tool_call call = {0};
    enum wf_code code = tool_parse(command, argc, argv, args, &call, err);
    if (code == WF_OK && call.help) {
        tool_help(program, command, stdout);
    } else if (code == WF_OK) {
        code = command->own_signals ? command->run(&call, err)
                                    : tool_interrupt_run(command->run, &call, err);
    }
    wf_xfree(call.operands);
    wf_xfree(args);
    return code;
}

/* The words, `help build` as `build --help`; the array is owned by the caller. */
static char **copy_words(int argc, char **argv)
{
    static char flag[] = "--help";
    char **words = wf_xcalloc((size_t)argc + 1, sizeof *words);
    const bool help = argc >= 3 && strcmp(argv[1], "help") == 0;
    for (int i = 0; i < argc; i++) {
        words[i] = help && i >= 1 ? (i + 1 < argc ? argv[i + 1] : flag) : argv[i];
    }
    return words;
}

int tool_main(const char *program, const char *about, const struct tool_command *const *commands,
              unsigned n, int argc, char **argv)
{
    setlocale(LC_ALL, "C");
    struct wf_error err = {0};
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (argc == 2 && strcmp(argv[1], "help") == 0)) {
        help_all(program, about, commands, n, argc < 2 ? stderr : stdout);
        return argc < 2 ? TOOL_EXIT_USAGE : TOOL_EXIT_OK;
    }
    const struct tool_command *command = NULL;
    char **words = copy_words(argc, argv);
    int taken = 0;
    for (unsigned i = 0; i < n && !command; i++) {
        taken = name_matches(commands[i]->name, argc - 1, words + 1);
        command = taken ? commands[i] : NULL;
    }
    enum wf_code code =
        command ? run_command(program, command, argc - 1 - taken, words + 1 + taken, &err)
                : unknown_command(commands, n, argc - 1, words + 1, &err);
    wf_xfree(words);
    if (code == WF_OK && fflush(stdout) != 0) {
        code = wf_fail(&err, WF_INTERNAL, "cannot write stdout: %s", strerror(errno));
    }
    if (code != WF_OK) {
        fprintf(stderr, "%s: %s\n", program, err.text);
        if (strcmp(err.reason, "USAGE") == 0 && command) {
            fprintf(stderr, "%s %s --help says more\n", program, command->name);
        }
    }
    return tool_exit_code(code, &err);
}
