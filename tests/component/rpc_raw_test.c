/* SPDX-License-Identifier: Apache-2.0
 *
 * rpc_raw_test.c - claims about what a server does with calls that our own peer never makes:
 * compressed and missing messages, bytes that are no message, reflection streams. The client here
 * is bare gRPC on a queue of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/rpc.h"

#define PATIENCE_S 20
#define REFLECT    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
#define ALPHA      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
typedef Grpc__Reflection__V1__ServerReflectionRequest ask_msg;
typedef Grpc__Reflection__V1__ServerReflectionResponse answer_msg;
#define ASK(x)    GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_##x
#define ANSWER(x) GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_##x

extern const unsigned char rpc_own_descriptors[];
extern const size_t rpc_own_descriptors_size;

struct fixture {
    struct rpc_loop *loop;
    struct rpc_server *server;
    grpc_completion_queue *queue;
    grpc_channel *channel;
    atomic_uint handled;
    /* The call under way. */
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice text;
};

static void on_echo(struct rpc_request *rq, const ProtobufCMessage *msg, void *ctx)
{
    atomic_fetch_add(&((struct fixture *)ctx)->handled, 1);
    rpc_reply(rq, msg);
}

static const struct rpc_method methods[] = {
    {.path = "/test.Echo/Echo",
     .request = &grpc__health__v1__health_check_request__descriptor,
     .handle = on_echo},
};

static int set_up(void **state)
{
    struct fixture *f = wf_xcalloc(1, sizeof *f);
    struct wf_error err;
    assert_int_equal(rpc_loop_start(&(struct rpc_loop_config){.threads = 2}, &f->loop, &err),
                     WF_OK);
    const struct rpc_server_config config = {.listen = "127.0.0.1:0",
                                             .max_message = 1 << 20,
                                             .max_arena = 1 << 20,
                                             .max_requests = 8,
                                             .descriptors = rpc_own_descriptors,
                                             .descriptors_size = rpc_own_descriptors_size};
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 1, f, &f->server, &err), WF_OK);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", rpc_server_port(f->server));
    f->queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    f->channel = grpc_channel_create(address, credentials, NULL);
    grpc_channel_credentials_release(credentials);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    grpc_channel_destroy(f->channel);
    grpc_completion_queue_shutdown(f->queue);
    grpc_completion_queue_destroy(f->queue);
    rpc_server_close(f->server, wf_deadline_ms(wf_now(), 1000 * PATIENCE_S));
    rpc_loop_stop(f->loop);
    wf_xfree(f);
    return 0;
}

static gpr_timespec patience(void)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_seconds(PATIENCE_S, GPR_TIMESPAN));
}

/* Starts a batch and waits for it; false when it failed. */
static bool run(struct fixture *f, const grpc_op *ops, size_t n)
{
    static char tag;
    assert_int_equal(grpc_call_start_batch(f->call, ops, n, &tag, NULL), GRPC_CALL_OK);
    const grpc_event e = grpc_completion_queue_pluck(f->queue, &tag, patience(), NULL);
    assert_int_equal(e.type, GRPC_OP_COMPLETE);
    return e.success != 0;
}

static void open_call(struct fixture *f, const char *path)
{
    grpc_slice slice = grpc_slice_from_copied_string(path);
    f->call =
        grpc_channel_create_call(f->channel, NULL, 0, f->queue, slice, NULL, patience(), NULL);
    grpc_slice_unref(slice);
    grpc_metadata_array_init(&f->initial);
    grpc_metadata_array_init(&f->trailing);
}

static void end_call(struct fixture *f)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &f->trailing;
    op.data.recv_status_on_client.status = &f->status;
    op.data.recv_status_on_client.status_details = &f->text;
    run(f, &op, 1);
    grpc_slice_unref(f->text);
    grpc_metadata_array_destroy(&f->initial);
    grpc_metadata_array_destroy(&f->trailing);
    grpc_call_unref(f->call);
}

static grpc_byte_buffer *receive(struct fixture *f, bool first)
{
    grpc_byte_buffer *in = NULL;
    grpc_op ops[2] = {{.op = GRPC_OP_RECV_MESSAGE}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    ops[0].data.recv_message.recv_message = &in;
    ops[1].data.recv_initial_metadata.recv_initial_metadata = &f->initial;
    (void)run(f, ops, first ? 2 : 1);
    return in;
}

/* A unary call with these bytes, or with no message at all; gives the status. */
static grpc_status_code unary(struct fixture *f, const char *path, const void *bytes, size_t size,
                              bool compressed)
{
    open_call(f, path);
    grpc_slice slice = grpc_slice_from_copied_buffer(bytes ? bytes : "", size);
    grpc_byte_buffer *out = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
                      {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
                      {.op = GRPC_OP_SEND_MESSAGE}};
    grpc_metadata md;
    memset(&md, 0, sizeof md);
    md.key = grpc_slice_from_static_string(GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY);
    md.value = grpc_slice_from_static_string("gzip");
    if (compressed) {
        ops[0].data.send_initial_metadata.metadata = &md;
        ops[0].data.send_initial_metadata.count = 1;
    }
    ops[2].data.send_message.send_message = out;
    (void)run(f, ops, bytes ? 3 : 2);
    grpc_byte_buffer_destroy(out);
    grpc_byte_buffer *in = receive(f, true);
    if (in) {
        grpc_byte_buffer_destroy(in);
    }
    end_call(f);
    return f->status;
}

static void compressed_requests_are_refused(void **state)
{
    struct fixture *f = *state;
    char bytes[4003] = {0x0a, (char)0xa0, 0x1f}; /* field 1: a string of 4000 bytes */
    memset(bytes + 3, 'x', 4000);
    assert_int_equal(unary(f, "/test.Echo/Echo", bytes, sizeof bytes, true),
                     GRPC_STATUS_UNIMPLEMENTED);
    assert_int_equal(atomic_load(&f->handled), 0);
    assert_int_equal(unary(f, "/test.Echo/Echo", bytes, sizeof bytes, false), GRPC_STATUS_OK);
    assert_int_equal(atomic_load(&f->handled), 1);
}

static void a_call_without_a_message_is_invalid(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(unary(f, "/test.Echo/Echo", NULL, 0, false), GRPC_STATUS_INVALID_ARGUMENT);
    assert_int_equal(atomic_load(&f->handled), 0);
}

static void bytes_that_are_no_message_are_invalid(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"\x0a\x05"
                                      "abc",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x0f",
                                      "\x08\x01"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(unary(f, "/test.Echo/Echo", bad[i], strlen(bad[i]), false),
                         GRPC_STATUS_INVALID_ARGUMENT);
    }
    assert_int_equal(atomic_load(&f->handled), 0);
}

static void unknown_fields_are_passed_over(void **state)
{
    struct fixture *f = *state;
    static const char bytes[] = "\x0a\x01x\x7a\x03"
                                "abc";
    assert_int_equal(unary(f, "/test.Echo/Echo", bytes, sizeof bytes - 1, false), GRPC_STATUS_OK);
}

/* ---- reflection ---- */

static void open_stream(struct fixture *f, const char *path)
{
    open_call(f, path);
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    assert_true(run(f, &op, 1));
}

static void send_bytes(struct fixture *f, grpc_slice slice)
{
    grpc_byte_buffer *out = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = out;
    (void)run(f, &op, 1);
    grpc_byte_buffer_destroy(out);
}

/* Asks once on an open stream; the answer is owned by the caller. */
static answer_msg *ask(struct fixture *f, const ask_msg *msg, bool first)
{
    grpc_slice slice = grpc_slice_malloc(protobuf_c_message_get_packed_size(&msg->base));
    protobuf_c_message_pack(&msg->base, GRPC_SLICE_START_PTR(slice));
    send_bytes(f, slice);
    grpc_byte_buffer *in = receive(f, first);
    assert_non_null(in);
    grpc_byte_buffer_reader reader;
    assert_true(grpc_byte_buffer_reader_init(&reader, in));
    grpc_slice all = grpc_byte_buffer_reader_readall(&reader);
    answer_msg *answer = grpc__reflection__v1__server_reflection_response__unpack(
        NULL, GRPC_SLICE_LENGTH(all), GRPC_SLICE_START_PTR(all));
    assert_non_null(answer);
    grpc_slice_unref(all);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(in);
    return answer;
}

static void free_answer(answer_msg *answer)
{
    grpc__reflection__v1__server_reflection_response__free_unpacked(answer, NULL);
}

static void close_stream(struct fixture *f)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    assert_true(run(f, &op, 1));
    assert_null(receive(f, false));
    end_call(f);
    assert_int_equal(f->status, GRPC_STATUS_OK);
}

static ask_msg question(int kind, const char *text)
{
    ask_msg msg = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    msg.message_request_case =
        (Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase)kind;
    msg.list_services = (char *)text;
    return msg;
}

static void lists_services(struct fixture *f, const char *path)
{
    static const char *const names[] = {"test.Echo", "grpc.health.v1.Health",
                                        "grpc.reflection.v1.ServerReflection",
                                        "grpc.reflection.v1alpha.ServerReflection"};
    open_stream(f, path);
    const ask_msg msg = question(ASK(LIST_SERVICES), "");
    answer_msg *answer = ask(f, &msg, true);
    assert_int_equal(answer->message_response_case, ANSWER(LIST_SERVICES_RESPONSE));
    assert_int_equal(answer->list_services_response->n_service, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_string_equal(answer->list_services_response->service[i]->name, names[i]);
    }
    assert_int_equal(answer->original_request->message_request_case, ASK(LIST_SERVICES));
    free_answer(answer);
    close_stream(f);
}

static void reflection_lists_services_in_both_versions(void **state)
{
    lists_services(*state, REFLECT);
    lists_services(*state, ALPHA);
}

static void reflection_finds_files(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int kind;
        const char *text;
        bool found;
    } asked[] = {
        {ASK(FILE_BY_FILENAME), "grpc/health/v1/health.proto", true},
        {ASK(FILE_CONTAINING_SYMBOL), "grpc.health.v1.Health", true},
        {ASK(FILE_CONTAINING_SYMBOL), "grpc.health.v1.Health.Watch", true},
        {ASK(FILE_CONTAINING_SYMBOL), "grpc.health.v1.HealthCheckResponse.ServingStatus", true},
        {ASK(FILE_CONTAINING_SYMBOL), "grpc.reflection.v1alpha.ErrorResponse", true},
        {ASK(FILE_CONTAINING_SYMBOL), "grpc.health.v1.Nope", false},
        {ASK(FILE_CONTAINING_SYMBOL), "", false},
        {ASK(FILE_BY_FILENAME), "nope.proto", false},
        {ASK(ALL_EXTENSION_NUMBERS_OF_TYPE), "grpc.health.v1.HealthCheckRequest", false},
    };
    open_stream(f, ALPHA);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const ask_msg msg = question(asked[i].kind, asked[i].text);
        answer_msg *answer = ask(f, &msg, i == 0);
        if (asked[i].found) {
            assert_int_equal(answer->message_response_case, ANSWER(FILE_DESCRIPTOR_RESPONSE));
            assert_int_equal(answer->file_descriptor_response->n_file_descriptor_proto, 1);
        } else {
            assert_int_equal(answer->message_response_case, ANSWER(ERROR_RESPONSE));
            assert_int_equal(answer->error_response->error_code, GRPC_STATUS_NOT_FOUND);
        }
        free_answer(answer);
    }
    const ask_msg nothing = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    answer_msg *answer = ask(f, &nothing, false);
    assert_int_equal(answer->error_response->error_code, GRPC_STATUS_INVALID_ARGUMENT);
    free_answer(answer);
    close_stream(f);
}

static void malformed_reflection_ends_the_stream(void **state)
{
    struct fixture *f = *state;
    open_stream(f, REFLECT);
    send_bytes(f, grpc_slice_from_static_string("\x0f"));
    assert_null(receive(f, true));
    end_call(f);
    assert_int_equal(f->status, GRPC_STATUS_INVALID_ARGUMENT);
}

static void a_client_that_leaves_its_stream_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 20; i++) {
        open_stream(f, REFLECT);
        if (i % 2) {
            const ask_msg msg = question(ASK(LIST_SERVICES), "");
            free_answer(ask(f, &msg, true));
        }
        (void)grpc_call_cancel(f->call, NULL);
        end_call(f);
        assert_int_equal(f->status, GRPC_STATUS_CANCELLED);
    }
}

static void an_idle_stream_does_not_hold_up_the_drain(void **state)
{
    struct fixture *f = *state;
    open_stream(f, REFLECT);
    const ask_msg msg = question(ASK(LIST_SERVICES), "");
    free_answer(ask(f, &msg, true));
    const int64_t begin = wf_now();
    rpc_server_close(f->server, wf_deadline_ms(begin, 1000 * PATIENCE_S));
    f->server = NULL;
    assert_true(wf_now() - begin < 5 * WF_SECOND);
    assert_null(receive(f, false));
    end_call(f);
    assert_int_equal(f->status, GRPC_STATUS_UNAVAILABLE);
}

static void a_health_watch_ends_with_unavailable_at_drain(void **state)
{
    struct fixture *f = *state;
    open_stream(f, "/grpc.health.v1.Health/Watch");
    send_bytes(f, grpc_empty_slice());
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    assert_true(run(f, &op, 1));
    grpc_byte_buffer *in = receive(f, true);
    assert_non_null(in);
    grpc_byte_buffer_destroy(in);
    rpc_server_close(f->server, wf_deadline_ms(wf_now(), 1000 * PATIENCE_S));
    f->server = NULL;
    end_call(f);
    assert_int_equal(f->status, GRPC_STATUS_UNAVAILABLE);
}

static void a_damaged_descriptor_set_is_refused(void **state)
{
    struct fixture *f = *state;
    struct wf_error err;
    struct rpc_server *server = NULL;
    static const unsigned char bad[] = {0x0a, 0x05, 0x01};
    const struct rpc_server_config config = {.listen = "127.0.0.1:0",
                                             .max_message = 1 << 20,
                                             .max_arena = 1 << 20,
                                             .max_requests = 8,
                                             .descriptors = bad,
                                             .descriptors_size = sizeof bad};
    assert_int_equal(rpc_server_open(f->loop, &config, methods, 1, f, &server, &err), WF_INVALID);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(compressed_requests_are_refused),
        CLAIM(a_call_without_a_message_is_invalid),
        CLAIM(bytes_that_are_no_message_are_invalid),
        CLAIM(unknown_fields_are_passed_over),
        CLAIM(reflection_lists_services_in_both_versions),
        CLAIM(reflection_finds_files),
        CLAIM(malformed_reflection_ends_the_stream),
        CLAIM(a_client_that_leaves_its_stream_leaks_nothing),
        CLAIM(an_idle_stream_does_not_hold_up_the_drain),
        CLAIM(a_health_watch_ends_with_unavailable_at_drain),
        CLAIM(a_damaged_descriptor_set_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
