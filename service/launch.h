/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Launch: create, grant and run in one go, or nothing of it
 */
#include "service/manager.h"

typedef struct Launch Launch;

/* @process NULL with @error; then nothing is left of the sandbox. */
typedef void (*LaunchDone)(void *userdata, Process *process, const Error *error);

/* As manager_create(): refuses at once, or calls @done once, later. @run is taken either way. Unless @keep
 * the sandbox goes when the process ends. *ret is valid until @done is called. */
int launch_start(Manager *manager, const SandboxRequest *request, RunRequest *run, bool keep, LaunchDone done,
                 void *userdata, Launch **ret, Error *error);
/* Undoes it; @done comes with an error when that is done. */
void launch_cancel(Launch *launch);
