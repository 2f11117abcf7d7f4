/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gateways/socket-proxy/pulse-filter.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "util/limits.h"

#define DESCRIPTOR_SIZE 20
#define CHANNEL_COMMAND UINT32_MAX
/* The server's own limit of a frame. */
#define FRAME_MAX (16 * 1024 * 1024)
/* Everything above the seek modes speaks of shared memory. */
#define FLAGS_ALLOWED 0xffu
/* 'L' and a number, twice: command and tag. */
#define U32_SIZE     5
#define COMMAND_SIZE (2 * U32_SIZE)
/* Of the login's version, the rest is offers of shared memory. */
#define VERSION_MASK 0xffffu
#define ERROR_ACCESS 1u

/* The numbers of the protocol; they have never been given twice. */
typedef enum PulseCommand {
        COMMAND_ERROR = 0,
        COMMAND_REPLY = 2,
        COMMAND_CREATE_PLAYBACK_STREAM = 3,
        COMMAND_CREATE_RECORD_STREAM = 5,
        COMMAND_AUTH = 8,
        COMMAND_SUBSCRIBE = 35,
} PulseCommand;

/* Of SUBSCRIBE: which events. */
typedef enum PulseFacility {
        FACILITY_SINK = 1 << 0,
        FACILITY_SOURCE = 1 << 1,
        FACILITY_SERVER = 1 << 7,
} PulseFacility;

typedef enum RuleType {
        RULE_DENY,
        RULE_ANYBODY,
        RULE_PLAYBACK,
        RULE_CAPTURE,
        RULE_OWN_INPUT,  /* playback, and the index is of a stream that the client made */
        RULE_OWN_OUTPUT, /* capture, likewise */
} RuleType;

typedef struct Rule {
        RuleType type;
        const char *name; /* of what people know; NULL = "command" */
} Rule;

static const Rule rules[] = {
        [COMMAND_CREATE_PLAYBACK_STREAM] = { RULE_PLAYBACK, "playback" },
        [4] = { RULE_PLAYBACK, "playback" },                /* DELETE_PLAYBACK_STREAM */
        [COMMAND_CREATE_RECORD_STREAM] = { RULE_CAPTURE, "capture" },
        [6] = { RULE_CAPTURE, "capture" },                  /* DELETE_RECORD_STREAM */
        [7] = { RULE_DENY, "end the server" },              /* EXIT */
        [COMMAND_AUTH] = { RULE_ANYBODY, NULL },
        [9] = { RULE_ANYBODY, NULL },                       /* SET_CLIENT_NAME */
        [10] = { RULE_PLAYBACK, "look up a sink" },         /* LOOKUP_SINK */
        [11] = { RULE_CAPTURE, "look up a source" },        /* LOOKUP_SOURCE */
        [12] = { RULE_PLAYBACK, NULL },                     /* DRAIN_PLAYBACK_STREAM */
        [13] = { RULE_ANYBODY, NULL },                      /* STAT */
        [14] = { RULE_PLAYBACK, NULL },                     /* GET_PLAYBACK_LATENCY */
        [15] = { RULE_DENY, "upload a sample" },            /* CREATE_UPLOAD_STREAM */
        [16] = { RULE_DENY, "upload a sample" },            /* DELETE_UPLOAD_STREAM */
        [17] = { RULE_DENY, "upload a sample" },            /* FINISH_UPLOAD_STREAM */
        [18] = { RULE_DENY, "play a cached sample" },       /* PLAY_SAMPLE */
        [19] = { RULE_DENY, "remove a cached sample" },     /* REMOVE_SAMPLE */
        [20] = { RULE_ANYBODY, NULL },                      /* GET_SERVER_INFO */
        [21] = { RULE_PLAYBACK, "list sinks" },             /* GET_SINK_INFO */
        [22] = { RULE_PLAYBACK, "list sinks" },             /* GET_SINK_INFO_LIST */
        [23] = { RULE_CAPTURE, "list sources" },            /* GET_SOURCE_INFO */
        [24] = { RULE_CAPTURE, "list sources" },            /* GET_SOURCE_INFO_LIST */
        [25] = { RULE_DENY, "list modules" },               /* GET_MODULE_INFO */
        [26] = { RULE_DENY, "list modules" },               /* GET_MODULE_INFO_LIST */
        [27] = { RULE_DENY, "list clients" },               /* GET_CLIENT_INFO */
        [28] = { RULE_DENY, "list clients" },               /* GET_CLIENT_INFO_LIST */
        [29] = { RULE_OWN_INPUT, "another client's stream" }, /* GET_SINK_INPUT_INFO */
        [30] = { RULE_DENY, "list streams" },               /* GET_SINK_INPUT_INFO_LIST */
        [31] = { RULE_OWN_OUTPUT, "another client's stream" }, /* GET_SOURCE_OUTPUT_INFO */
        [32] = { RULE_DENY, "list streams" },               /* GET_SOURCE_OUTPUT_INFO_LIST */
        [33] = { RULE_DENY, "list samples" },               /* GET_SAMPLE_INFO */
        [34] = { RULE_DENY, "list samples" },               /* GET_SAMPLE_INFO_LIST */
        [COMMAND_SUBSCRIBE] = { RULE_ANYBODY, NULL },       /* to what may be looked at */
        [36] = { RULE_DENY, "set a sink's volume" },        /* SET_SINK_VOLUME */
        [37] = { RULE_OWN_INPUT, "another client's volume" }, /* SET_SINK_INPUT_VOLUME */
        [38] = { RULE_DENY, "set a source's volume" },      /* SET_SOURCE_VOLUME */
        [39] = { RULE_DENY, "mute a sink" },                /* SET_SINK_MUTE */
        [40] = { RULE_DENY, "mute a source" },              /* SET_SOURCE_MUTE */
        [41] = { RULE_PLAYBACK, NULL },                     /* CORK_PLAYBACK_STREAM */
        [42] = { RULE_PLAYBACK, NULL },                     /* FLUSH_PLAYBACK_STREAM */
        [43] = { RULE_PLAYBACK, NULL },                     /* TRIGGER_PLAYBACK_STREAM */
        [44] = { RULE_DENY, "set the default sink" },       /* SET_DEFAULT_SINK */
        [45] = { RULE_DENY, "set the default source" },     /* SET_DEFAULT_SOURCE */
        [46] = { RULE_PLAYBACK, NULL },                     /* SET_PLAYBACK_STREAM_NAME */
        [47] = { RULE_CAPTURE, NULL },                      /* SET_RECORD_STREAM_NAME */
        [48] = { RULE_DENY, "end a client" },               /* KILL_CLIENT */
        [49] = { RULE_OWN_INPUT, "end another's stream" },  /* KILL_SINK_INPUT */
        [50] = { RULE_OWN_OUTPUT, "end another's stream" }, /* KILL_SOURCE_OUTPUT */
        [51] = { RULE_DENY, "load a module" },              /* LOAD_MODULE */
        [52] = { RULE_DENY, "unload a module" },            /* UNLOAD_MODULE */
        [57] = { RULE_CAPTURE, NULL },                      /* GET_RECORD_LATENCY */
        [58] = { RULE_CAPTURE, NULL },                      /* CORK_RECORD_STREAM */
        [59] = { RULE_CAPTURE, NULL },                      /* FLUSH_RECORD_STREAM */
        [60] = { RULE_PLAYBACK, NULL },                     /* PREBUF_PLAYBACK_STREAM */
        [67] = { RULE_OWN_INPUT, "move another's stream" }, /* MOVE_SINK_INPUT */
        [68] = { RULE_DENY, "move a recording" },           /* MOVE_SOURCE_OUTPUT */
        [69] = { RULE_OWN_INPUT, "mute another's stream" }, /* SET_SINK_INPUT_MUTE */
        [70] = { RULE_DENY, "suspend a sink" },             /* SUSPEND_SINK */
        [71] = { RULE_DENY, "suspend a source" },           /* SUSPEND_SOURCE */
        [72] = { RULE_PLAYBACK, NULL },                     /* SET_PLAYBACK_STREAM_BUFFER_ATTR */
        [73] = { RULE_CAPTURE, NULL },                      /* SET_RECORD_STREAM_BUFFER_ATTR */
        [74] = { RULE_PLAYBACK, NULL },                     /* UPDATE_PLAYBACK_STREAM_SAMPLE_RATE */
        [75] = { RULE_CAPTURE, NULL },                      /* UPDATE_RECORD_STREAM_SAMPLE_RATE */
        [80] = { RULE_CAPTURE, NULL },                      /* UPDATE_RECORD_STREAM_PROPLIST */
        [81] = { RULE_PLAYBACK, NULL },                     /* UPDATE_PLAYBACK_STREAM_PROPLIST */
        [82] = { RULE_ANYBODY, NULL },                      /* UPDATE_CLIENT_PROPLIST */
        [83] = { RULE_CAPTURE, NULL },                      /* REMOVE_RECORD_STREAM_PROPLIST */
        [84] = { RULE_PLAYBACK, NULL },                     /* REMOVE_PLAYBACK_STREAM_PROPLIST */
        [85] = { RULE_ANYBODY, NULL },                      /* REMOVE_CLIENT_PROPLIST */
        [87] = { RULE_DENY, "speak to a module" },          /* EXTENSION */
        [88] = { RULE_DENY, "look at a card" },             /* GET_CARD_INFO */
        [89] = { RULE_DENY, "list cards" },                 /* GET_CARD_INFO_LIST */
        [90] = { RULE_DENY, "set a card's profile" },       /* SET_CARD_PROFILE */
        [96] = { RULE_DENY, "set a sink's port" },          /* SET_SINK_PORT */
        [97] = { RULE_DENY, "set a source's port" },        /* SET_SOURCE_PORT */
        [98] = { RULE_OWN_OUTPUT, "another client's volume" }, /* SET_SOURCE_OUTPUT_VOLUME */
        [99] = { RULE_OWN_OUTPUT, "mute another's stream" }, /* SET_SOURCE_OUTPUT_MUTE */
        [100] = { RULE_DENY, "set a port's latency" },      /* SET_PORT_LATENCY_OFFSET */
        [101] = { RULE_DENY, "shared memory" },             /* ENABLE_SRBCHANNEL */
        [102] = { RULE_DENY, "shared memory" },             /* DISABLE_SRBCHANNEL */
        [103] = { RULE_DENY, "shared memory" },             /* REGISTER_MEMFD_SHMID */
        [104] = { RULE_DENY, "speak to a module" },         /* SEND_OBJECT_MESSAGE */
};

struct PulseFilter {
        PlanSocketFlags flags;
        PulseDenied denied;
        void *userdata;
        bool has_auth;           /* the client's first command was its login */
        size_t client_left;      /* of a sound frame of the client, still to pass */
        size_t server_left;      /* of any frame of the server */
        GHashTable *asked;       /* tag -> command, until the server's answer */
        GHashTable *own_inputs;  /* indexes of sink inputs that are the client's */
        GHashTable *own_outputs; /* of source outputs */
};

PulseFilter *pulse_filter_new(PlanSocketFlags flags, PulseDenied denied, void *userdata) {
        PulseFilter *filter = g_new0(PulseFilter, 1);

        filter->flags = flags;
        filter->denied = denied;
        filter->userdata = userdata;
        filter->asked = g_hash_table_new(NULL, NULL);
        filter->own_inputs = g_hash_table_new(NULL, NULL);
        filter->own_outputs = g_hash_table_new(NULL, NULL);
        return filter;
}

void pulse_filter_free(PulseFilter *filter) {
        if (!filter)
                return;
        g_hash_table_unref(filter->asked);
        g_hash_table_unref(filter->own_inputs);
        g_hash_table_unref(filter->own_outputs);
        g_free(filter);
}

static bool has_asked(const PulseFilter *filter, uint32_t command) {
        GHashTableIter iter;
        gpointer value;

        g_hash_table_iter_init(&iter, filter->asked);
        while (g_hash_table_iter_next(&iter, NULL, &value))
                if (GPOINTER_TO_UINT(value) == command)
                        return true;
        return false;
}

gboolean pulse_filter_set_flags(PulseFilter *filter, PlanSocketFlags flags) {
        PlanSocketFlags lost = filter->flags & ~flags;

        filter->flags = flags;
        return (lost & PLAN_SOCKET_PLAYBACK && (g_hash_table_size(filter->own_inputs) > 0 ||
                                                has_asked(filter, COMMAND_CREATE_PLAYBACK_STREAM))) ||
               (lost & PLAN_SOCKET_CAPTURE && (g_hash_table_size(filter->own_outputs) > 0 ||
                                               has_asked(filter, COMMAND_CREATE_RECORD_STREAM)));
}

/* ---- bytes ---- */

static uint32_t read_u32(const uint8_t *at) {
        uint32_t value;

        memcpy(&value, at, sizeof(value));
        return be32toh(value);
}

static void write_u32(uint8_t *at, uint32_t value) {
        value = htobe32(value);
        memcpy(at, &value, sizeof(value));
}

/* The @i-th number of a payload that begins with numbers. */
static bool get_number(const uint8_t *payload, size_t size, unsigned i, uint32_t *ret) {
        if (size < (i + 1) * U32_SIZE || payload[i * U32_SIZE] != 'L')
                return false;
        *ret = read_u32(payload + i * U32_SIZE + 1);
        return true;
}

static void pass(GByteArray *from, size_t size, GByteArray *to) {
        g_byte_array_append(to, from->data, (guint) size);
        g_byte_array_remove_range(from, 0, (guint) size);
}

static void answer_denied(uint32_t tag, GByteArray *to_client) {
        uint8_t frame[DESCRIPTOR_SIZE + 3 * U32_SIZE] = { 0 };
        const uint32_t numbers[] = { COMMAND_ERROR, tag, ERROR_ACCESS };

        write_u32(frame, 3 * U32_SIZE);
        write_u32(frame + 4, CHANNEL_COMMAND);
        for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++) {
                frame[DESCRIPTOR_SIZE + i * U32_SIZE] = 'L';
                write_u32(frame + DESCRIPTOR_SIZE + i * U32_SIZE + 1, numbers[i]);
        }
        g_byte_array_append(to_client, frame, sizeof(frame));
}

/* ---- the client's side ---- */

static bool is_own(GHashTable *indexes, const uint8_t *payload, size_t size) {
        uint32_t index;

        return get_number(payload, size, 2, &index) && g_hash_table_contains(indexes, GUINT_TO_POINTER(index));
}

/* NULL if it passes, else which permission is missing. */
static const char *find_missing(const PulseFilter *filter, const Rule *rule, const uint8_t *payload, size_t size) {
        bool playback = filter->flags & PLAN_SOCKET_PLAYBACK, capture = filter->flags & PLAN_SOCKET_CAPTURE;

        switch (rule->type) {
        case RULE_ANYBODY:
                return NULL;
        case RULE_PLAYBACK:
                return playback ? NULL : "playback is not granted";
        case RULE_CAPTURE:
                return capture ? NULL : "capture is not granted";
        case RULE_OWN_INPUT:
                return playback && is_own(filter->own_inputs, payload, size) ? NULL : "it is not the app's own";
        case RULE_OWN_OUTPUT:
                return capture && is_own(filter->own_outputs, payload, size) ? NULL : "it is not the app's own";
        case RULE_DENY:
        default:
                return "no capability allows it";
        }
}

/* Until it is answered a tag stands for one command: with two of them the answer to one could be taken for the
 * answer to the other, and a stranger's stream for the client's own. */
static int remember(PulseFilter *filter, uint32_t command, uint32_t tag, Error *error) {
        if (g_hash_table_size(filter->asked) >= PULSE_COMMANDS_MAX ||
            g_hash_table_size(filter->own_inputs) + g_hash_table_size(filter->own_outputs) >= PULSE_STREAMS_MAX)
                return error_setf(error, ERROR_LIMIT_REACHED,
                                  "A client of the sound server has more than %u commands unanswered, or made more "
                                  "than %u streams", PULSE_COMMANDS_MAX, PULSE_STREAMS_MAX);
        if (!g_hash_table_insert(filter->asked, GUINT_TO_POINTER(tag), GUINT_TO_POINTER(command)))
                return error_setf(error, ERROR_INVALID_ARGS,
                                  "A client of the sound server used one tag for two commands");
        return 0;
}

/* Some are changed on their way. The payload is whole. */
static void rewrite(const PulseFilter *filter, uint32_t command, uint8_t *payload, size_t size) {
        uint32_t number, mask = FACILITY_SERVER;

        if (!get_number(payload, size, 2, &number))
                return;
        if (filter->flags & PLAN_SOCKET_PLAYBACK)
                mask |= FACILITY_SINK;
        if (filter->flags & PLAN_SOCKET_CAPTURE)
                mask |= FACILITY_SOURCE;
        if (command == COMMAND_AUTH)
                write_u32(payload + 2 * U32_SIZE + 1, number & VERSION_MASK);
        if (command == COMMAND_SUBSCRIBE)
                write_u32(payload + 2 * U32_SIZE + 1, number & mask);
}

/* The whole frame is at the front of @in. */
static int on_command(PulseFilter *filter, GByteArray *in, size_t size, GByteArray *to_server,
                      GByteArray *to_client, Error *error) {
        static const Rule unknown = { RULE_DENY, NULL };
        uint8_t *payload = in->data + DESCRIPTOR_SIZE;
        uint32_t command, tag;
        const Rule *rule;
        const char *missing;
        int r;

        if (!get_number(payload, size, 0, &command) || !get_number(payload, size, 1, &tag))
                return error_setf(error, ERROR_INVALID_ARGS, "A client of the sound server sent no command");
        if (!filter->has_auth && command != COMMAND_AUTH)
                return error_setf(error, ERROR_INVALID_ARGS, "A client of the sound server did not log in first");
        filter->has_auth = true;
        rule = command < G_N_ELEMENTS(rules) ? &rules[command] : &unknown;
        missing = find_missing(filter, rule, payload, size);
        if (missing) {
                filter->denied(filter->userdata, rule->name ?: "command", missing);
                answer_denied(tag, to_client);
                g_byte_array_remove_range(in, 0, (guint) (DESCRIPTOR_SIZE + size));
                return 0;
        }
        r = remember(filter, command, tag, error);
        if (r < 0)
                return r;
        rewrite(filter, command, payload, size);
        pass(in, DESCRIPTOR_SIZE + size, to_server);
        return 0;
}

static int check_frame(const GByteArray *in, Error *error) {
        uint32_t size = read_u32(in->data), channel = read_u32(in->data + 4), flags = read_u32(in->data + 16);

        if (flags & ~FLAGS_ALLOWED)
                return error_setf(error, ERROR_INVALID_ARGS, "A frame of sound speaks of shared memory");
        if (size > FRAME_MAX || (channel == CHANNEL_COMMAND && size > PULSE_COMMAND_MAX))
                return error_setf(error, ERROR_LIMIT_REACHED, "A frame of sound or a command has %u bytes", size);
        return 0;
}

static void pass_rest(size_t *left, GByteArray *in, GByteArray *to) {
        size_t size = MIN(*left, in->len);

        *left -= size;
        pass(in, size, to);
}

int pulse_filter_client(PulseFilter *filter, GByteArray *in, GByteArray *to_server, GByteArray *to_client,
                        Error *error) {
        int r;

        for (;;) {
                uint32_t size;

                pass_rest(&filter->client_left, in, to_server);
                if (in->len < DESCRIPTOR_SIZE)
                        return 0;
                r = check_frame(in, error);
                if (r < 0)
                        return r;
                size = read_u32(in->data);
                if (read_u32(in->data + 4) != CHANNEL_COMMAND) {
                        if (!filter->has_auth)
                                return error_setf(error, ERROR_INVALID_ARGS,
                                                  "A client of the sound server did not log in first");
                        filter->client_left = DESCRIPTOR_SIZE + (size_t) size;
                        continue;
                }
                if (in->len < DESCRIPTOR_SIZE + size)
                        return 0;
                r = on_command(filter, in, size, to_server, to_client, error);
                if (r < 0)
                        return r;
        }
}

/* ---- the server's side ---- */

/* Answers to what makes a stream say channel and index. */
static void learn(PulseFilter *filter, const uint8_t *payload, size_t size) {
        uint32_t answer, tag, index;
        gpointer command;

        if (!get_number(payload, size, 0, &answer) || !get_number(payload, size, 1, &tag) ||
            (answer != COMMAND_REPLY && answer != COMMAND_ERROR) ||
            !g_hash_table_steal_extended(filter->asked, GUINT_TO_POINTER(tag), NULL, &command))
                return;
        if (answer != COMMAND_REPLY || !get_number(payload, size, 3, &index))
                return;
        if (GPOINTER_TO_UINT(command) == COMMAND_CREATE_PLAYBACK_STREAM)
                g_hash_table_add(filter->own_inputs, GUINT_TO_POINTER(index));
        if (GPOINTER_TO_UINT(command) == COMMAND_CREATE_RECORD_STREAM)
                g_hash_table_add(filter->own_outputs, GUINT_TO_POINTER(index));
}

int pulse_filter_server(PulseFilter *filter, GByteArray *in, GByteArray *to_client, Error *error) {
        for (;;) {
                uint32_t size, seen;

                pass_rest(&filter->server_left, in, to_client);
                if (in->len < DESCRIPTOR_SIZE)
                        return 0;
                size = read_u32(in->data);
                if (size > FRAME_MAX || read_u32(in->data + 16) & ~FLAGS_ALLOWED)
                        return error_setf(error, ERROR_SYSTEM, "The sound server sent what no client asked for");
                seen = MIN(size, 4 * U32_SIZE);
                if (read_u32(in->data + 4) == CHANNEL_COMMAND) {
                        if (in->len < DESCRIPTOR_SIZE + seen)
                                return 0;
                        learn(filter, in->data + DESCRIPTOR_SIZE, seen);
                }
                filter->server_left = DESCRIPTOR_SIZE + (size_t) size;
        }
}
