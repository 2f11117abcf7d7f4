/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * PulseAudio gateway
 *
 * Shows the sound server of the sandbox's owner, PulseAudio's or PipeWire's: its socket is inside,
 * PULSE_SERVER names it; a manifest's own variable of this name wins.
 *
 * "audio": true alone is playback and capture. "playback" and "capture" say it one by one: when one of them
 * is there, what is not named true is not allowed, and "audio" may be left out, or say whether there is any
 * sound at all. A row that contradicts itself is refused: "audio": false with one of them true, "audio": true
 * with none of them true. "audio": false alone asks for nothing. Rows add up.
 */
#include "gateways/gateway.h"
#include "plan/inside.h"

extern const GatewayOps gateway_pulseaudio_ops;

typedef enum Answer {
        ANSWER_NONE, /* the key is not there */
        ANSWER_NO,
        ANSWER_YES,
} Answer;

typedef struct PulseConfig {
        GatewayConfig config;
        Answer audio, playback, capture;
        PlanSocketFlags flags; /* 0 = no sound */
} PulseConfig;

static int read_answer(const JsonCursor *at, Answer *ret) {
        bool value;
        int r;

        r = json_read_bool(at, &value);
        if (r < 0)
                return r;
        *ret = value ? ANSWER_YES : ANSWER_NO;
        return 0;
}

static int read_audio(const JsonCursor *at, void *userdata) {
        PulseConfig *pulse = userdata;

        return read_answer(at, &pulse->audio);
}

static int read_playback(const JsonCursor *at, void *userdata) {
        PulseConfig *pulse = userdata;

        return read_answer(at, &pulse->playback);
}

static int read_capture(const JsonCursor *at, void *userdata) {
        PulseConfig *pulse = userdata;

        return read_answer(at, &pulse->capture);
}

static const JsonField pulse_fields[] = {
        { "audio", read_audio, 0 },
        { "playback", read_playback, 0 },
        { "capture", read_capture, 0 },
        {},
};

static int pulse_parse_row(const JsonCursor *row, GatewayConfig *config) {
        PulseConfig *pulse = (PulseConfig *) config;
        int r;

        r = json_read_object(row, pulse_fields, JSON_UNKNOWN_ERROR, pulse);
        if (r < 0)
                return r;
        if (pulse->playback == ANSWER_YES)
                pulse->flags |= PLAN_SOCKET_PLAYBACK;
        if (pulse->capture == ANSWER_YES)
                pulse->flags |= PLAN_SOCKET_CAPTURE;
        if (pulse->playback == ANSWER_NONE && pulse->capture == ANSWER_NONE) {
                if (pulse->audio == ANSWER_NONE)
                        return json_error(row, "Key 'audio' is missing, or one of 'playback' and 'capture'");
                pulse->flags = pulse->audio == ANSWER_YES ? PLAN_SOCKET_PLAYBACK | PLAN_SOCKET_CAPTURE : 0;
                return 0;
        }
        if (pulse->audio == ANSWER_NO && pulse->flags != 0)
                return json_error(row, "'audio' is false, but '%s' is true",
                                  pulse->flags & PLAN_SOCKET_PLAYBACK ? "playback" : "capture");
        if (pulse->audio == ANSWER_YES && pulse->flags == 0)
                return json_error(row, "'audio' is true, but neither 'playback' nor 'capture' is");
        return 0;
}

static int pulse_plan(const GatewayConfig *config, Plan *plan, Error *error) {
        const PulseConfig *pulse = (const PulseConfig *) config;
        int r;

        if (pulse->flags == 0)
                return 0;
        r = plan_add_socket(plan, config->origin, PLAN_SOCKET_PULSEAUDIO, pulse->flags, error);
        if (r < 0)
                return r;
        return plan_add_env(plan, config->origin, "PULSE_SERVER", "unix:" INSIDE_PULSEAUDIO, PLAN_ENV_DEFAULT,
                            NULL, error);
}

const GatewayOps gateway_pulseaudio_ops = {
        .id = "pulseaudio",
        .config_size = sizeof(PulseConfig),
        .parse_row = pulse_parse_row,
        .plan = pulse_plan,
};
