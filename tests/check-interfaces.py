#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the service have what the interface descriptions say, and no more?

check-interfaces.py --vtables SOURCE        compares with the vtables in SOURCE/dbus/*-bus.c
check-interfaces.py --service SOURCE BUILD  compares with what a service of the build tells when it is introspected
check-interfaces.py --self-test             plants each kind of difference and fails if it is not seen

Members, signatures, argument names and annotations are compared. Prints each difference; exit 1 if there is one.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

BUS_NAME = "org.bulkhead.Bulkhead1"
BUS_PATH = "/org/bulkhead/Bulkhead1"
CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"
INTERFACES = ("Manager", "Sandbox", "Process")

SKIPPED = 77  # meson's and automake's word for "cannot run here"

# Flag of a property in a vtable -> value of its annotation; a change signal is what D-Bus assumes without one.
CHANGES = {
    "SD_BUS_VTABLE_PROPERTY_CONST": "const",
    "SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE": "true",
    "SD_BUS_VTABLE_PROPERTY_EMITS_INVALIDATION": "invalidates",
    "0": "false",
}

# What stands in brackets, with brackets in it twice: SD_BUS_ARGS("a(sst)", mounts, "a{s(tt)}", limits)
BRACKETS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
# One row: SD_BUS_METHOD_WITH_ARGS(...), SD_BUS_PROPERTY(...), SD_BUS_SIGNAL_WITH_ARGS(...)
ROW = re.compile(r"SD_BUS_(METHOD|PROPERTY|WRITABLE_PROPERTY|SIGNAL)(?:_WITH_\w+)?(" + BRACKETS + ")")
VTABLE = re.compile(r"static const sd_bus_vtable \w+\[\] = \{(.*?)\n\};", re.DOTALL)


class Unreadable(Exception):
    """A row of a vtable, or an answer, that this program does not understand."""


def split_arguments(text):
    """Splits at the commas outside of brackets and quotes."""
    parts = re.findall(r'(?:[^,()"]|"[^"]*"|' + BRACKETS + r")+", text)
    return [" ".join(part.split()) for part in parts]


def read_args(text):
    """SD_BUS_ARGS("s", name, "a{sv}", options) -> (("s", "name"), ("a{sv}", "options"))"""
    if text in ("SD_BUS_NO_ARGS", "SD_BUS_NO_RESULT"):
        return ()
    match = re.fullmatch(r"SD_BUS_(?:ARGS|RESULT)\((.*)\)", text)
    if not match:
        raise Unreadable(text)
    words = split_arguments(match.group(1))
    return tuple((words[i].strip('"'), words[i + 1]) for i in range(0, len(words), 2))


def read_row(kind, text):
    """One row as (kind, name) and what there is to compare."""
    words = split_arguments(text)
    name = words[0].strip('"')
    flags = words[-1]
    if kind == "METHOD":
        privileged = "SD_BUS_VTABLE_UNPRIVILEGED" not in flags
        return ("method", name), (read_args(words[1]), read_args(words[2]), privileged)
    if kind == "SIGNAL":
        return ("signal", name), (read_args(words[1]),)
    if flags not in CHANGES:
        raise Unreadable(f"{name}: {flags}")
    access = "read" if kind == "PROPERTY" else "readwrite"
    return ("property", name), (words[1].strip('"'), access, CHANGES[flags])


def read_vtable(text):
    """Members of the one vtable in a source file."""
    tables = VTABLE.findall(text)
    if len(tables) != 1:
        raise Unreadable(f"{len(tables)} vtables in one file")
    members = dict(read_row(kind, row[1:-1]) for kind, row in ROW.findall(tables[0]))
    if len(members) != len(re.findall(r"^ {8}SD_BUS_(?!VTABLE)", tables[0], re.MULTILINE)):
        raise Unreadable("a row that is no method, property or signal")
    return members


def read_member(element):
    """One <method>, <property> or <signal>."""
    annotations = {child.get("name"): child.get("value") for child in element.findall("annotation")}
    args = [(child.get("direction", "in"), child.get("type"), child.get("name")) for child in element.findall("arg")]
    key = (element.tag, element.get("name"))
    if element.tag == "property":
        return key, (element.get("type"), element.get("access"), annotations.get(CHANGED, "true"))
    if element.tag == "signal":
        return key, (tuple(arg[1:] for arg in args),)
    inputs, outputs = (tuple(arg[1:] for arg in args if arg[0] == way) for way in ("in", "out"))
    return key, (inputs, outputs, annotations.get("org.freedesktop.systemd1.Privileged") == "true")


def read_interface(text, name):
    """Members of interface @name in introspection data."""
    for interface in ElementTree.fromstring(text).findall("interface"):
        if interface.get("name") == f"{BUS_NAME}.{name}":
            return dict(read_member(child) for child in interface if child.tag in ("method", "property", "signal"))
    raise Unreadable(f"no interface {name}")


def compare(name, described, real):
    """Prints differences; returns how many."""
    differences = []
    for key in sorted(described.keys() | real.keys()):
        what = f"{name}: {key[0]} {key[1]}"
        if key not in real:
            differences.append(f"{what} is described, and the service does not have it")
        elif key not in described:
            differences.append(f"{what} is in the service, and not described")
        elif described[key] != real[key]:
            differences.append(f"{what} is described as {described[key]}, and is {real[key]}")
    print("\n".join(differences), end="\n" if differences else "")
    return len(differences)


def read_file(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def read_description(source, name):
    return read_interface(read_file(source, "dbus", "interfaces", f"{BUS_NAME}.{name}.xml"), name)


def check_vtables(source):
    return sum(compare(name, read_description(source, name),
                       read_vtable(read_file(source, "dbus", f"{name.lower()}-bus.c"))) for name in INTERFACES)


class Service:
    """A service of the build, alone on a bus of its own, with all that it has below one temporary folder."""

    def __init__(self, build):
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="bulkhead-interfaces-"))
        os.chmod(self.root, 0o755)
        self.address = f"unix:path={self.root}/bus"
        self.children = []
        self.log = open(os.path.join(self.root, "log"), "w+", encoding="utf-8")
        try:
            self.start(build)
        except BaseException:
            self.stop()
            raise

    def start(self, build):
        os.makedirs(f"{self.root}/helpers")
        os.makedirs(f"{self.root}/etc/bulkhead")
        for helper, room in (("bulkhead-shim", "shim"), ("bulkhead-init", "init")):
            os.symlink(os.path.join(os.path.abspath(build), room, helper), f"{self.root}/helpers/{helper}")
        with open(f"{self.root}/etc/bulkhead/bulkhead.conf", "w", encoding="utf-8") as settings:
            # Apart from the ranges of a real instance and of the other tests, which begin at 0x10000000.
            settings.write(f"[Ids]\nBase={0x08000000 + os.getpid() % 1024 * 0x10000}\nCount=65536\n")
        self.spawn("dbus-daemon", "--session", "--nofork", "--nopidfile", "--nosyslog", f"--address={self.address}")
        self.wait(lambda: os.path.exists(f"{self.root}/bus"))
        self.spawn(os.path.join(build, "dbus", "bulkheadd"), "--root", self.root, "--bus", self.address)
        self.wait(lambda: self.ask("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner", "s",
                                   BUS_NAME))

    def spawn(self, *argv):
        environment = dict(os.environ, BULKHEAD_HELPERS=f"{self.root}/helpers")
        self.children.append(subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                              env=environment))

    def wait(self, condition):
        end = time.monotonic() + 30
        while not condition():
            if time.monotonic() > end or any(child.poll() is not None for child in self.children):
                raise Unreadable("The service did not start:\n" + read_file(self.root, "log"))
            time.sleep(0.02)

    def ask(self, name, path, interface, member, *arguments):
        """The first value of the answer."""
        return self.ask_all(name, path, interface, member, *arguments)[0]

    def ask_all(self, name, path, interface, member, *arguments):
        argv = ["busctl", f"--address={self.address}", "--json=short", "call", name, path, interface, member]
        answer = subprocess.run(argv + list(arguments), capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            raise Unreadable(f"{member}: {answer.stderr.strip()}\n" + read_file(self.root, "log"))
        return json.loads(answer.stdout)["data"] if answer.stdout.strip() else []

    def introspect(self, path, name):
        return read_interface(self.ask(BUS_NAME, path, "org.freedesktop.DBus.Introspectable", "Introspect"), name)

    def stop(self):
        """The service first: it stops its sandboxes over the bus's connection, and leaves nothing."""
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self.log.close()
        shutil.rmtree(self.root)


def check_service(source, build):
    if os.geteuid() != 0 or not shutil.which("dbus-daemon") or not os.access("/sys/fs/cgroup", os.W_OK):
        print("needs root, dbus-daemon and cgroups that can be written")
        sys.exit(SKIPPED)
    service = Service(build)
    try:
        sandbox, process, _pid = service.ask_all(BUS_NAME, BUS_PATH, f"{BUS_NAME}.Manager", "Launch", "sasa{sv}",
                                                 "", "2", "/bin/sleep", "60", "0")
        paths = dict(zip(INTERFACES, (BUS_PATH, sandbox, process)))
        differences = sum(compare(name, read_description(source, name), service.introspect(path, name))
                          for name, path in paths.items())
        service.ask_all(BUS_NAME, sandbox, f"{BUS_NAME}.Sandbox", "Stop", "t", "0")
        return differences
    finally:
        service.stop()


def self_test():
    """Each kind of difference is one; what is equal is none."""
    source = """static const sd_bus_vtable test_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD_WITH_ARGS("Open", SD_BUS_ARGS("s", name, "a{s(tt)}", limits), SD_BUS_RESULT("h", fd),
                                method_open, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Count", "u", property_get, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("State", "s", property_get, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_SIGNAL_WITH_ARGS("Left", SD_BUS_ARGS("o", process), 0),
        SD_BUS_VTABLE_END,
};
"""
    text = f"""<node><interface name="{BUS_NAME}.Manager">
<method name="Open"><arg type="s" name="name" direction="in"/><arg type="a{{s(tt)}}" name="limits" direction="in"/>
<arg type="h" name="fd" direction="out"/></method>
<property name="Count" type="u" access="read"><annotation name="{CHANGED}" value="const"/></property>
<property name="State" type="s" access="read"/>
<signal name="Left"><arg type="o" name="process"/></signal></interface></node>"""
    plants = (
        ("equal", None, None, 0),
        ("another type", 'type="s" name="name"', 'type="o" name="name"', 1),
        ("another argument name", 'name="limits"', 'name="rlimits"', 1),
        ("another direction", 'direction="out"', 'direction="in"', 1),
        ("another annotation", 'value="const"', 'value="false"', 1),
        ("another access", 'type="u" access="read"', 'type="u" access="readwrite"', 1),
        ("one renamed", 'signal name="Left"', 'signal name="Gone"', 2),
        ("one missing", '<property name="State" type="s" access="read"/>', "", 1),
    )
    failures = 0
    for name, old, new, expected in plants:
        assert old is None or old in text, name
        found = compare("Manager", read_interface(text.replace(old, new) if old else text, "Manager"),
                        read_vtable(source))
        if found != expected:
            print(f"{name}: {found} differences, not {expected}")
            failures += 1
    return failures


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--self-test"] and len(arguments) == 1:
        return 1 if self_test() else 0
    if arguments[:1] == ["--vtables"] and len(arguments) == 2:
        return 1 if check_vtables(arguments[1]) else 0
    if arguments[:1] == ["--service"] and len(arguments) == 3:
        return 1 if check_service(arguments[1], arguments[2]) else 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
