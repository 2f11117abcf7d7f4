/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where a sandbox sees what the host puts there
 *
 * Stable paths: the gateways name them in variables, the shim puts sockets there. The folder is the one of
 * SoftwareContainer, so that programs made for it find what they know.
 */
#define INSIDE_DIR          "/gateways"
#define INSIDE_SESSION_BUS  INSIDE_DIR "/session_bus_socket"
#define INSIDE_SYSTEM_BUS   INSIDE_DIR "/system_bus_socket"
#define INSIDE_PULSEAUDIO   INSIDE_DIR "/pulse_socket"
#define INSIDE_WAYLAND_NAME "wayland-0" /* in INSIDE_DIR, which is XDG_RUNTIME_DIR */
#define INSIDE_LINK         "eth0"
