/* SPDX-License-Identifier: Apache-2.0
 *
 * cli.h - the command line: one option table per command is the source of parser, checks and help.
 *
 * A command is one file tools/cmd_<name>.c that exports one `const struct tool_command`, and one
 * line in the table of weft_main.c. Its arguments are a struct of its own; the option table says
 * which member each flag fills. Flags are --name value or --name=value, anywhere after the command;
 * `--` ends them. --help and --json exist everywhere. stdout is data, stderr is talk.
 *
 * Exit codes: 0 ok, 1 failed at run time, 2 usage, 3 threshold missed, 4 config, 5 data damaged or
 * invalid, 6 unreachable. A command returns an enum wf_code and the exit code follows from it, see
 * tool_exit_code(). Single-threaded; strings of parsed arguments are borrowed from argv.
 */
#ifndef TOOL_CLI_H
#define TOOL_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

enum tool_exit {
    TOOL_EXIT_OK = 0,
    TOOL_EXIT_RUN = 1,
    TOOL_EXIT_USAGE = 2,
    TOOL_EXIT_THRESHOLD = 3,
    TOOL_EXIT_CONFIG = 4,
    TOOL_EXIT_DATA = 5,
    TOOL_EXIT_UNREACHABLE = 6,
};

/* The C type of the member that each option type fills. */
enum tool_option_type {
    TOOL_FLAG, /* bool: true when given */
    TOOL_STR,  /* const char *, NULL when not given and without default */
    TOOL_UINT, /* uint64_t */
    TOOL_REAL, /* double */
    TOOL_LIST, /* struct tool_list: may be given several times */
};
enum { TOOL_LIST_MAX = 64 };
struct tool_list {
    const char *values[TOOL_LIST_MAX];
    unsigned n;
};
struct tool_option {
    const char *name; /* "max-errors" for --max-errors */
    enum tool_option_type type;
    size_t offset;     /* into the command's struct */
    const char *value; /* what the help calls the value: "FILE" */
    const char *what;  /* one sentence */
    const char *def;   /* NULL: zero of its type */
    double min, max;   /* numbers; both 0: any */
    bool required;
};

struct tool_call;
/* Runs with parsed arguments. Errors go to *err and are printed by the caller, once. */
typedef enum wf_code tool_run_fn(const struct tool_call *call, struct wf_error *err);

struct tool_command {
    const char *name; /* "build", or two words: "import styles" */
    const char *what; /* one line for the list of commands */
    const char *examples;
    const char *notes;    /* prose after the options; NULL = none */
    const char *operands; /* "GEN"; NULL = none */
    unsigned min_operands, max_operands;
    const struct tool_option *options;
    unsigned n_options;
    size_t size;      /* of the struct that the options fill */
    bool own_signals; /* it waits for SIGINT and SIGTERM by itself (tools/interrupt.h) */
    tool_run_fn *run;
};
#define TOOL_OPTIONS(table) .options = (table), .n_options = sizeof(table) / sizeof *(table)

struct tool_call {
    const struct tool_command *command;
    const void *args; /* the command's struct, filled */
    const char **operands;
    unsigned n_operands;
    bool json; /* --json */
    bool help; /* --help: print it instead of running */
};

/*
 * Finds the command in the table, parses, runs, prints the error, gives the exit code. The whole of
 * a main.
 */
int tool_main(const char *program, const char *about, const struct tool_command *const *commands,
              unsigned n, int argc, char **argv);
/*
 * Parses what follows the command's name into the command's struct at `args`. When --help was given
 * nothing is checked beyond the flags. Errors are usage errors; on success out->operands is owned
 * by the caller (wf_xfree).
 */
WF_MUST_CHECK enum wf_code tool_parse(const struct tool_command *command, int argc, char **argv,
                                      void *args, struct tool_call *out, struct wf_error *err);
/* The help text: examples first. */
void tool_help(const char *program, const struct tool_command *command, FILE *to);

/* A usage error (exit 2). */
enum wf_code tool_usage(struct wf_error *err, const char *fmt, ...) WF_PRINTF(2, 3);
/* A threshold that was asked for and missed (exit 3). */
enum wf_code tool_threshold(struct wf_error *err, const char *fmt, ...) WF_PRINTF(2, 3);
/*
 * OK 0; reason USAGE 2, THRESHOLD and MIN_COVERAGE 3, CONFIG 4; else WF_INVALID and WF_DATA_LOSS 5,
 * WF_UNAVAILABLE 6, everything else 1.
 */
int tool_exit_code(enum wf_code code, const struct wf_error *err);

/* Decimal digits only, the whole text, no overflow. */
bool tool_parse_uint(const char *text, uint64_t *out);
/* A finite number, the whole text, in the C locale. */
bool tool_parse_real(const char *text, double *out);

#endif
