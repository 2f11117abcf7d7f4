#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do the rooms keep to their arrows?

check-rooms.py [ROOT]       checks the tree; prints each violation as "file:line: text"; exit 1 if there is one
check-rooms.py --self-test  plants each violation in a tree of its own and fails if it is not seen
"""

import os
import re
import sys
import tempfile

# room -> rooms it may include (docs: the map of the rooms). Each may include itself.
ARROWS = {
    "util": (),
    "plan": ("util",),
    "gateways": ("plan", "util"),
    "capabilities": ("gateways", "plan", "util"),
    "service": ("capabilities", "gateways", "plan", "util"),
    "dbus": ("service", "capabilities", "plan", "util"),
    "lib": (),
    "cli": ("lib", "capabilities", "gateways", "plan", "util"),
    "shim": ("plan", "util"),
    "net": ("plan", "util"),
    "init": (),
}
# What a room may include of a room that is closed to it otherwise.
DOORS = {
    "init": ("util/wire.h", "util/limits.h"),
}
# Where a room may see only these of another.
NARROW = {
    ("capabilities", "gateways"): ("gateways/gateway.h",),  # the contract, no single gateway
    ("service", "gateways"): ("gateways/gateway.h",),
    ("cli", "gateways"): ("gateways/gateway.h",),
}
SEES_ALL = ("service/main.c",)  # wiring only

# Foreign headers: pattern, places that may include them, what is said elsewhere. A place that ends in "/" is a
# room.
FOREIGN = (
    (re.compile(r"systemd/sd-bus(-\w+)?\.h"), ("dbus/", "cli/", "lib/", "service/main.c"),
     "sd-bus is for dbus/, lib/ and cli/"),
    (re.compile(r"(gio/gio|dbus/dbus)\.h"), (), "the bus is spoken to by sd-bus only"),
    (re.compile(r"lxc/.*"), ("shim/container.c",), "liblxc is for shim/container.c"),
    (re.compile(r"(libiptc|libnftables|nftables)/.*"), ("shim/", "net/"), "firewalls are for shim/ and net/"),
    (re.compile(r"jansson\.h"), ("util/", "plan/", "gateways/", "capabilities/", "service/", "cli/"),
     "no JSON in this room"),
)
# Calls: pattern, files that may have them, what is said elsewhere.
CALLS = (
    (re.compile(r"\bjson_load(s|b|f|fd|_file|_callback)\s*\("), ("util/json.c",),
     "jansson's loaders are for util/json.c"),
    (re.compile(r"\b(system|popen|wordexp)\s*\("), (), "no shell in the product"),
    (re.compile(r"\bg_spawn_\w+\s*\("), (), "no GLib spawning, which forks and may use a shell"),
)

SKIPPED_FOLDERS = (".git", "__pycache__", "LICENSES", "build", "corpus", "crashes", "manifest-cases")
# What has no comments, or is no text of ours.
NO_SPDX_SUFFIXES = (".json", ".expected", ".md", ".png", ".svg", ".bin", ".pyc")
NO_SPDX_NAMES = (".git", ".gitignore", ".clang-format", ".editorconfig", "changelog", "format")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(match):
    """The same text without its letters, so that line numbers stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


def room_of(path):
    room = path.split("/")[0]
    return room if "/" in path and room in ARROWS else None


def is_in(path, places):
    return any(path.startswith(place) if place.endswith("/") else path == place for place in places)


def list_files(root):
    found = []
    for folder, folders, names in os.walk(root):
        # a build folder inside the tree is not part of it
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS
                            and not os.path.isdir(os.path.join(folder, name, "meson-private")))
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), root)
            if os.path.isfile(os.path.join(root, path)) and not os.path.islink(os.path.join(root, path)):
                found.append(path)
    return sorted(found)


def find_includes(text):
    """(line, path, is_ours) of each include; those inside of comments are none."""
    without_comments = re.sub(r"/\*.*?\*/", blank, text, flags=re.DOTALL)
    for number, line in enumerate(without_comments.split("\n"), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


def check_own(path, included, known):
    """Why @path may not include our @included, or None."""
    room, other = room_of(path), room_of(included)
    if included == "config.h":
        return "init/ includes nothing but util/wire.h and util/limits.h" if room == "init" else None
    if included not in known:
        return "there is no '%s' below the top folder" % included
    if other is None:
        return "'%s' is in no room" % included
    if included.endswith("-private.h") and other != room:
        return "'%s' is for its siblings in %s/" % (included, other)
    if path in SEES_ALL or other == room or included in DOORS.get(room, ()):
        return None
    if other not in ARROWS[room]:
        return "%s/ may not include %s/ ('%s')" % (room, other, included)
    narrow = NARROW.get((room, other))
    if narrow and included not in narrow:
        return "%s/ may include of %s/ only %s, not '%s'" % (room, other, ", ".join(narrow), included)
    return None


def check_source(path, text, known):
    if room_of(path) is None:
        return
    for line, included, is_ours in find_includes(text):
        if is_ours:
            reason = check_own(path, included, known)
            if reason:
                yield line, reason
        else:
            for pattern, places, reason in FOREIGN:
                if pattern.fullmatch(included) and not is_in(path, places):
                    yield line, "<%s>: %s" % (included, reason)
    code = COMMENT_OR_STRING.sub(blank, text)
    for pattern, places, reason in CALLS:
        if is_in(path, places):
            continue
        for match in pattern.finditer(code):
            yield code.count("\n", 0, match.start()) + 1, "%s: %s" % (match.group(0).rstrip("( ") + "()", reason)


def find_cycles(graph):
    """(path, line, cycle) of each include that closes a cycle between files."""
    done, stack = set(), []

    def visit(path):
        stack.append(path)
        for included, line in graph.get(path, ()):
            if included in stack:
                yield path, line, stack[stack.index(included):] + [included]
            elif included not in done:
                yield from visit(included)
        stack.pop()
        done.add(path)

    for path in sorted(graph):
        if path not in done:
            yield from visit(path)


def check_spdx(path, text):
    name = os.path.basename(path)
    if name in NO_SPDX_NAMES or name.endswith(NO_SPDX_SUFFIXES) or not text:
        return None
    lines = text.split("\n")
    # the first line may belong to the kernel or to XML
    first = lines[1] if lines[0].startswith(("#!", "<?xml", "<!DOCTYPE")) and len(lines) > 1 else lines[0]
    return None if "SPDX-License-Identifier: " in first else "no SPDX-License-Identifier in the first line"


def check_tree(root):
    """All violations of the tree as (path, line, text), and how many files were looked at."""
    found, graph = [], {}
    files = list_files(root)
    known = set(files)
    for path in files:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            text = stream.read()
        reason = check_spdx(path, text)
        if reason:
            found.append((path, 1, reason))
        if not path.endswith((".c", ".h")):
            continue
        found += [(path, line, reason) for line, reason in check_source(path, text, known)]
        graph[path] = [(included, line) for line, included, is_ours in find_includes(text)
                       if is_ours and included in known]
    for path, line, cycle in find_cycles(graph):
        found.append((path, line, "include cycle: " + " -> ".join(cycle)))
    return sorted(found), len(files)


SPDX = "/* SPDX-License-Identifier: LGPL-2.1-or-later */\n"

GOOD_TREE = {
    "util/a.h": "#pragma once\n",
    "util/wire.h": "",
    "util/json.c": "#include <jansson.h>\nint x = json_loads(0);\n",
    "plan/plan.h": '#include "util/a.h"\n',
    "gateways/gateway.h": '#include "plan/plan.h"\n',
    "gateways/file.h": "",
    "capabilities/store.h": '#include "gateways/gateway.h"\n',
    "service/manager.h": '#include "capabilities/store.h"\n#include <systemd/sd-event.h>\n',
    "service/manager-private.h": "",
    "service/main.c": '#include "dbus/bus.h"\n#include "gateways/file.h"\n#include <systemd/sd-bus.h>\n',
    "dbus/bus.h": '#include "service/manager.h"\n#include <systemd/sd-bus.h>\n',
    "lib/bus.h": "#include <systemd/sd-bus.h>\n",
    "cli/main.c": '#include "capabilities/store.h"\n#include "lib/bus.h"\n#include "config.h"\n#include <systemd/sd-bus.h>\n',
    "shim/container.c": '#include <lxc/lxccontainer.h>\n#include "plan/plan.h"\n',
    "shim/text.c": '/* system("x") and\n#include "service/manager.h"\n*/ char *x = "popen(\\"y\\")"; int ecosystem(int);\n',
    "init/main.c": '#include "util/wire.h"\n',
    "tests/unit/test-a.c": '#include "shim/x.h"\nint x = system("tests may");\n',
    "tests/run.sh": "#!/bin/sh\n# SPDX-License-Identifier: LGPL-2.1-or-later\n",
    "README.md": "no comment\n",
}

# What is planted: name, path, text below the SPDX line, the violations that must be told (path, line, words).
PLANTED = (
    ("against the arrows", "util/bad.c", '\n#include "plan/plan.h"\n', [("util/bad.c", 3, "may not include plan/")]),
    ("down to up", "gateways/bad.c", '#include "capabilities/store.h"\n',
     [("gateways/bad.c", 2, "may not include capabilities/")]),
    ("shim sees the service", "shim/bad.c", '#include "service/manager.h"\n',
     [("shim/bad.c", 2, "may not include service/")]),
    ("dbus sees gateways", "dbus/bad.c", '#include "gateways/gateway.h"\n',
     [("dbus/bad.c", 2, "may not include gateways/")]),
    ("cli sees the service", "cli/bad.c", '#include "service/manager.h"\n',
     [("cli/bad.c", 2, "may not include service/")]),
    ("lib sees the service's bus", "lib/bad.c", '#include "dbus/bus.h"\n', [("lib/bad.c", 2, "may not include dbus/")]),
    ("lib sees util", "lib/bad.c", '#include "util/a.h"\n', [("lib/bad.c", 2, "may not include util/")]),
    ("init sees more than wire", "init/bad.c", '#include "util/a.h"\n#include "config.h"\n',
     [("init/bad.c", 2, "may not include util/"), ("init/bad.c", 3, "nothing but")]),
    ("a single gateway", "capabilities/bad.c", '#include "gateways/file.h"\n',
     [("capabilities/bad.c", 2, "only gateways/gateway.h")]),
    ("another room's private header", "dbus/bad.c", '#include "service/manager-private.h"\n',
     [("dbus/bad.c", 2, "for its siblings")]),
    ("not from the top folder", "plan/bad.c", '#include "plan.h"\n', [("plan/bad.c", 2, "below the top folder")]),
    ("a test's header", "util/bad.c", '#include "tests/x.h"\n', [("util/bad.c", 2, "below the top folder")]),
    ("sd-bus in the service", "service/bad.c", "#include <systemd/sd-bus.h>\n", [("service/bad.c", 2, "sd-bus")]),
    ("sd-bus in util", "util/bad.h", "# include <systemd/sd-bus.h>\n", [("util/bad.h", 2, "sd-bus")]),
    ("liblxc elsewhere", "shim/bad.c", "#include <lxc/lxccontainer.h>\n", [("shim/bad.c", 2, "liblxc")]),
    ("liblxc's version", "util/bad.c", "#include <lxc/version.h>\n", [("util/bad.c", 2, "liblxc")]),
    ("iptables in a gateway", "gateways/bad.c", "#include <libiptc/libiptc.h>\n",
     [("gateways/bad.c", 2, "firewalls")]),
    ("JSON at the bus", "dbus/bad.c", "#include <jansson.h>\n", [("dbus/bad.c", 2, "no JSON")]),
    ("a loader", "capabilities/bad.c", "json_t *x(void) {\n return json_load_file (p, 0, 0);\n}\n",
     [("capabilities/bad.c", 3, "loaders")]),
    ("system", "cli/bad.c", 'int x(void) {\n return system("ls");\n}\n', [("cli/bad.c", 3, "no shell")]),
    ("popen", "shim/bad.c", '/*\n*/ FILE *x = popen("ls", "r");\n', [("shim/bad.c", 3, "no shell")]),
    ("g_spawn", "service/bad.c", "int x = g_spawn_sync(0);\n", [("service/bad.c", 2, "spawning")]),
)

# Planted without an SPDX line in front.
PLANTED_BARE = (
    ("no licence", "util/bad.c", "int x;\n", "util/bad.c"),
    ("a licence too late", "util/bad.c", "\n" + SPDX, "util/bad.c"),
    ("a script without licence", "scripts/bad", "#!/bin/sh\necho\n", "scripts/bad"),
    ("a build file without licence", "util/meson.build", "x = 1\n", "util/meson.build"),
)


def plant(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as stream:
        stream.write(text)


def plant_good(root):
    for path, text in GOOD_TREE.items():
        plant(root, path, SPDX + text if path.endswith((".c", ".h")) else text)


def self_test():
    failures = []

    def expect(name, wanted, prepare):
        with tempfile.TemporaryDirectory(prefix="check-rooms-") as root:
            plant_good(root)
            prepare(root)
            found, _ = check_tree(root)
            is_good = len(found) == len(wanted) and all(
                (path, line) == (f_path, f_line) and words in f_text
                for (path, line, words), (f_path, f_line, f_text) in zip(wanted, found))
            print("%s: %s" % (name, "ok" if is_good else "FAILED, wanted %s, found %s" % (wanted, found)))
            if not is_good:
                failures.append(name)

    expect("a good tree", [], lambda root: None)
    for name, path, text, wanted in PLANTED:
        expect(name, wanted, lambda root, path=path, text=text: plant(root, path, SPDX + text))
    for name, path, text, wanted in PLANTED_BARE:
        expect(name, [(wanted, 1, "SPDX")], lambda root, path=path, text=text: plant(root, path, text))

    def plant_cycle(root):
        plant(root, "util/b.h", SPDX + '#include "util/c.h"\n')
        plant(root, "util/c.h", SPDX + '\n#include "util/d.h"\n')
        plant(root, "util/d.h", SPDX + '\n\n#include "util/b.h"\n')

    expect("a cycle of three", [("util/d.h", 4, "util/b.h -> util/c.h -> util/d.h -> util/b.h")], plant_cycle)
    expect("a file that includes itself", [("util/b.h", 2, "util/b.h -> util/b.h")],
           lambda root: plant(root, "util/b.h", SPDX + '#include "util/b.h"\n'))
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        return 1 if self_test() else 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    root = arguments[0] if arguments else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found, n_files = check_tree(root)
    for path, line, text in found:
        print("%s:%d: %s" % (path, line, text))
    print("%d files, %d violations" % (n_files, len(found)))
    # an empty tree keeps to every rule: somebody gave the wrong folder
    return 1 if found or n_files == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
