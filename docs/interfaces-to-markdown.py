#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the manual page of the bus interfaces, from the doc comments in their descriptions.

interfaces-to-markdown.py OUTPUT FILE...

A doc comment stands before what it is about: "Name:", a line "@argument: text" for each argument (of an interface,
"@short_description: text"), an empty line, paragraphs. Something without one, or one that names other arguments
than there are, is an error.
"""

import re
import sys
import xml.etree.ElementTree as ElementTree

HEAD = """---
title: ORG.BULKHEAD.BULKHEAD1
section: 5
header: Bulkhead
---

# NAME

org.bulkhead.Bulkhead1 - the D-Bus interface of the Bulkhead sandbox service

# DESCRIPTION

**bulkheadd**(8) is on the system bus as **org.bulkhead.Bulkhead1**; systemd starts it when it is called. The bus lets
root and the members of group **bulkhead** call it. What a caller may ask for is then decided by the service, which
asks the bus for the caller's user; see **bulkhead.conf**(5).

Argument types are written as in the D-Bus specification: **s** text, **as** an array of texts, **o** an object path,
**u** and **t** numbers without sign of 32 and 64 bits, **i** one with sign, **h** a file descriptor, **a{sv}** names
with values of any type.

All signals are unicast, to who made the sandbox and to connections that have called **Subscribe**.

"""

ERRORS = """# ERRORS

Errors are called **org.bulkhead.Bulkhead1.Error.***Name* and come with a sentence for people. Wrong arguments are
refused with **org.freedesktop.DBus.Error.InvalidArgs**, what the caller may not with
**org.freedesktop.DBus.Error.AccessDenied**; what the system refused is **org.freedesktop.DBus.Error.Failed**.

**NoSuchSandbox**
:   There is no sandbox of that name or path that the caller may see.

**SandboxExists**
:   The caller has one of that name already.

**InvalidName**
:   A sandbox cannot be called so.

**BadState**
:   The sandbox or program is not in a state for this: it is stopping, or has ended.

**UnknownCapability**
:   There is no capability of that name; the sentence suggests the nearest.

**CapabilityNotAllowed**
:   The caller may not ask for it, or it cannot be revoked.

**InvalidManifest**
:   The capability's manifest has mistakes, so it was taken out.

**ConflictingCapabilities**
:   Two capabilities want different things in one place; the sentence names both.

**NotMountable**
:   Something cannot be mounted there.

**ExecFailed**
:   The program cannot be executed; the sentence says why.

**LimitReached**
:   There is as much of something as there may be.

**Timeout**
:   Something took too long and was given up.

**Unsupported**
:   This version of the service, or this kernel, does not have it.

**GatewayFailed**
:   A capability could not be put in force.

# EXAMPLES

    $ busctl call org.bulkhead.Bulkhead1 /org/bulkhead/Bulkhead1 \\
          org.bulkhead.Bulkhead1.Manager ListSandboxes
    $ busctl call org.bulkhead.Bulkhead1 /org/bulkhead/Bulkhead1 \\
          org.bulkhead.Bulkhead1.Manager Launch 'sasa{sv}' maps 2 sleep 60 0

# FILES

*/usr/share/dbus-1/interfaces/org.bulkhead.Bulkhead1.\\*.xml*
:   The descriptions that this page is made from.

# SEE ALSO

**bulkheadd**(8), **bulkhead**(1), **busctl**(1), **sd_bus_path_encode**(3)
"""

CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"
CHANGES = {"const": "never changes", "true": "changes are signalled", "invalidates": "changes are signalled",
           "false": "changes are not signalled"}
KINDS = (("method", "Methods"), ("property", "Properties"), ("signal", "Signals"))


class Broken(Exception):
    """A description that says too little, or something else than there is."""


def escape(text):
    """Text as pandoc's markdown; <literal> becomes bold."""
    text = re.sub(r"([\\`*_{}\[\]<>#|~^$])", r"\\\1", " ".join(text.split()))
    return re.sub(r"\\<literal\\>(.*?)\\</literal\\>", r"**\1**", text)


class Doc:
    """A doc comment, taken apart."""

    def __init__(self, comment, name):
        lines = [line.strip() for line in comment.strip().split("\n")]
        if lines[0] != f"{name}:":
            raise Broken(f"{name}: the comment before it is about '{lines[0]}'")
        self.name = name
        self.args = {}
        self.paragraphs = [[]]
        for line in lines[1:]:
            match = re.fullmatch(r"@(\w+): (.+)", line)
            if match:
                self.args[match.group(1)] = match.group(2)
            elif line:
                self.paragraphs[-1].append(line)
            elif self.paragraphs[-1]:
                self.paragraphs.append([])

    def check_args(self, names):
        if list(self.args) != names:
            raise Broken(f"{self.name}: the comment is about {list(self.args)}, and there are {names}")

    def text(self):
        """Paragraphs; the options of a dictionary, which end with ';', each on its own."""
        text = "\n\n".join(" ".join(lines) for lines in self.paragraphs if lines)
        if not text:
            raise Broken(f"{self.name}: nothing is said about it")
        return "\n\n".join(self.paragraph(part) for part in text.split("\n\n"))

    @staticmethod
    def paragraph(text):
        head, colon, rest = text.partition("Options: ")
        if head or not colon:
            return escape(text)
        return "Options:\n\n" + "\n".join(f"- {escape(part)}" for part in re.split(r"(?<=;) (?=<literal>)", rest))


def documented(element):
    """(child, the comment before it) of each child that is not a comment."""
    comment = None
    for child in element:
        if child.tag is ElementTree.Comment:
            comment = child.text
        else:
            yield child, comment
            comment = None


def arguments(args):
    return ", ".join(f"{escape(arg.get('type'))} *{escape(arg.get('name'))}*" for arg in args)


def describe_member(element, comment):
    name = element.get("name")
    doc = Doc(comment or "", name)
    args = element.findall("arg")
    doc.check_args([arg.get("name") for arg in args])
    if element.tag == "property":
        annotations = {child.get("name"): child.get("value") for child in element.findall("annotation")}
        access = {"read": "", "readwrite": ", can be set"}[element.get("access")]
        term = f"**{name}** {escape(element.get('type'))} ({CHANGES[annotations.get(CHANGED, 'true')]}{access})"
    elif element.tag == "signal":
        term = f"**{name}**({arguments(args)})"
    else:
        outputs = [arg for arg in args if arg.get("direction") == "out"]
        term = f"**{name}**({arguments(arg for arg in args if arg.get('direction') != 'out')})"
        if outputs:
            term += f" → {arguments(outputs)}"
    parts = [doc.text()] + [f"*{escape(arg)}*: {escape(text)}" for arg, text in doc.args.items()]
    body = "\n\n".join(parts).replace("\n", "\n    ").replace("\n    \n", "\n\n")
    return f"{term}\n\n:   {body}\n\n"


def describe_interface(interface, comment):
    doc = Doc(comment or "", interface.get("name"))
    doc.check_args(["short_description"])
    text = f"# {doc.name}\n\n{escape(doc.args['short_description'])}.\n\n{doc.text()}\n\n"
    members = [(child, note) for child, note in documented(interface) if child.tag != "annotation"]
    for kind, title in KINDS:
        of_kind = [describe_member(child, note) for child, note in members if child.tag == kind]
        if of_kind:
            text += f"## {title}\n\n" + "".join(of_kind)
    return text


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    text = HEAD
    for path in sys.argv[2:]:
        parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
        for element, comment in documented(ElementTree.parse(path, parser).getroot()):
            try:
                text += describe_interface(element, comment)
            except Broken as broken:
                print(f"{path}: {broken}", file=sys.stderr)
                return 1
    with open(sys.argv[1], "w", encoding="utf-8") as output:
        output.write(text + ERRORS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
