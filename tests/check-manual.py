#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the manual tell of every verb, option, setting, error and message that there is, and of none that is not?

check-manual.py SOURCE BULKHEAD BULKHEADD

SOURCE is the top folder; the other two are the programs, which are asked for --help. Message ids, and options that
packages are built with, are looked at as well. Prints each difference; exit 1 if there is one.
"""

import os
import re
import subprocess
import sys


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


def ask(*argv):
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


def compare(page, what, written, real, may_be_none=False):
    """Prints what is missing on either side; returns how many."""
    written, real = set(written), set(real)
    if not real and not may_be_none:
        print(f"{page}: found no {what} to look for")
        return 1
    for name in sorted(real - written):
        print(f"{page}: {what} '{name}' is not told of")
    for name in sorted(written - real):
        print(f"{page}: {what} '{name}' does not exist")
    return len(written ^ real)


def split_sections(text, mark):
    """{heading: text} of the headings with this mark, without the backslashes that markdown needs."""
    parts = re.split(rf"^{mark} (.+)$", text.replace("\\", ""), flags=re.MULTILINE)
    return dict(zip(parts[1::2], (re.split(r"^#", part, flags=re.MULTILINE)[0] if mark == "##" else part
                                  for part in parts[2::2])))


def options_in_help(text):
    """Long options at the beginnings of lines."""
    return re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", text, re.MULTILINE)


def options_in_page(text):
    return re.findall(r"\*\*(--[a-z-]+)\*\*", text)


def unsupported_in_help(text):
    """Options of which the help says that they do nothing so far."""
    return re.findall(r"^ +(?:-\w, )?(--[a-z-]+).*not supported by this version", text, re.MULTILINE)


def unsupported_in_page(text):
    """The same in definitions: a term, and lines that begin with ':' or spaces."""
    return re.findall(r"^.*\*\*(--[a-z-]+)\*\*.*\n:(?:.*\n {4})*.*[Nn]ot supported by this version", text, re.MULTILINE)


def check_command(source, program):
    page = "bulkhead.1"
    text = read(source, "docs", "man", page + ".md")
    general = ask(program, "--help")
    verbs = re.findall(r"^  (\w+) ", general.partition("Verbs:")[2].partition("Options:")[0], re.MULTILINE)
    sections = split_sections(text, "##")
    told = {heading.split()[0]: section for heading, section in sections.items()}
    n = compare(page, "verb", told, verbs)
    n += compare(page, "option", options_in_page(split_sections(text, "#")["OPTIONS"]),
                 options_in_help(general.partition("Options:")[2]))
    for verb in verbs:
        own = ask(program, verb, "--help").partition("Options of every verb:")[0]
        options = set(options_in_page(told.get(verb, ""))) - {"--json", "--quiet", "--root"}
        if options or options_in_help(own):
            n += compare(page, f"option of '{verb}'", options, options_in_help(own))
        if verb == "run": # the others refer to it
            n += compare(page, "unsupported option", unsupported_in_page(told.get(verb, "")), unsupported_in_help(own),
                         may_be_none=True)
    return n


def check_service(source, program):
    page = "bulkheadd.8"
    text = split_sections(read(source, "docs", "man", page + ".md"), "#")["OPTIONS"]
    return compare(page, "option", options_in_page(text), re.findall(r"\[(--[a-z-]+)", ask(program, "--help")))


def check_keys(source, page, *code):
    """Sections and keys of a file of settings, against the table { "Section", "Key", ... in the code."""
    written = []
    for heading, section in split_sections(read(source, "docs", "man", page + ".md"), "#").items():
        match = re.fullmatch(r"\[(\w+)(?: NAME)?\]", heading)
        if match:
            written += [f"[{match.group(1)}] {key}" for key in re.findall(r"\*\*(\w+)=\*\*", section)]
    real = re.findall(r'^ {8}\{ "(\w+)", "(\w+)",', read(source, *code), re.MULTILINE)
    return compare(page, "key", written, (f"[{section}] {key}" for section, key in real))


def check_errors(source):
    page = read(source, "docs", "interfaces-to-markdown.py").partition("# ERRORS")[2].partition("# EXAMPLES")[0]
    names = re.findall(r'BUS_ERROR_PREFIX "(\w+)"', read(source, "dbus", "bus-error.c"))
    return compare("org.bulkhead.Bulkhead1.5", "error", re.findall(r"^\*\*(\w+)\*\*$", page, re.MULTILINE), names)


def check_catalog(source):
    written = re.findall(r"^-- (\w+)$", read(source, "templates", "bulkhead.catalog"), re.MULTILINE)
    real = re.findall(r'^#define MESSAGE_\w+ +"([0-9a-f]{32})"', read(source, "util", "message-id.h"), re.MULTILINE)
    return compare("bulkhead.catalog", "message", written, real)


def check_packages(source):
    """Meson warns of an option that it does not know, and goes on."""
    known = re.findall(r"^option\('(\w+)'", read(source, "meson_options.txt"), re.MULTILINE) + ["werror"]
    n = 0
    for path in (("debian", "rules"), ("yocto", "recipes-bulkhead", "bulkhead", "bulkhead_git.bb")):
        for option in re.findall(r"(?<!\S)[\"]?-D(\w+)=|,-D(\w+)=", read(source, *path)):
            name = option[0] or option[1]
            if name not in known:
                print(f"{path[-1]}: option '{name}' is not in meson_options.txt")
                n += 1
    return n


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    source, bulkhead, bulkheadd = sys.argv[1:]
    n = check_command(source, bulkhead) + check_service(source, bulkheadd) + check_errors(source)
    n += check_keys(source, "bulkhead.conf.5", "capabilities", "settings.c")
    n += check_keys(source, "bulkhead-template.5", "capabilities", "template-keys.c")
    n += check_catalog(source) + check_packages(source)
    return 1 if n else 0


if __name__ == "__main__":
    sys.exit(main())
