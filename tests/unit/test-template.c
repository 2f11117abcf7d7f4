/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "capabilities/template.h"
#include "tests/unit/source.h"
#include "util/limits.h"

static char *format_list(char *const *list) {
        g_autofree char *text = g_strjoinv("|", (char **) list);

        return g_strdup(text);
}

/* A line for each field of a template. */
static char *format_spec(const Spec *spec) {
        g_autofree char *layers = format_list(spec->layers), *hide = format_list(spec->hide);
        g_autofree char *folders = format_list(spec->folders);
        g_autofree char *environment = format_list(spec->template_environment);

        g_autofree char *masked = format_list(spec->masked), *read_only = format_list(spec->read_only);
        g_autofree char *command = format_list(spec->command), *mounts = format_list(spec->mounts);

        return g_strdup_printf("layers %s\nhide %s\nfolders %s\nmounts %s\nupper %s %" PRIu64 "\nmap-host-root %d\n"
                               "user %u:%u %s\nenvironment %s\nmemory %" PRIu64 "\ntasks %" PRIu64 "\n"
                               "halt %d\nstop %" PRIu64 "\nstart %" PRIu64 "\n"
                               "user-namespace %d\nnetwork %s\nseccomp %s\nlinux-capabilities %" PRIx64 "\n"
                               "masked %s\nread-only %s\ncommand %s\nfolder %s\n",
                               layers, hide, folders, mounts, spec_upper_to_string(spec->upper), spec->upper_size, spec->map_host_root, spec->app_uid,
                               spec->app_gid, spec->app_home, environment, spec->memory_max, spec->tasks_max,
                               spec->halt_signal, spec->stop_timeout_usec, spec->start_timeout_usec,
                               spec->user_namespace, spec_network_to_string(spec->network),
                               spec->seccomp ?: "-", spec->linux_capabilities, masked, read_only, command,
                               spec->working_directory ?: "-");
}

static char *format_template(const Template *template) {
        g_autoptr(Spec) spec = spec_new();

        template_fill_spec(template, spec);
        assert_string_equal(spec->template_name, template_get_name(template));
        return format_spec(spec);
}

/* "line: text\n" for each. */
static char *format_findings(const GPtrArray *findings) {
        GString *text = g_string_new(NULL);

        for (guint i = 0; i < findings->len; i++) {
                const TemplateFinding *finding = g_ptr_array_index(findings, i);

                g_string_append_printf(text, "%u: %s\n", finding->line, finding->text);
        }
        return g_string_free(text, FALSE);
}

static void assert_text(const char *name, const char *found, const char *expected) {
        if (strcmp(found, expected) != 0)
                fail_msg("%s:\nfound\n%s\nexpected\n%s", name, found, expected);
}

/* The template of @text, which has no findings. */
static Template *parse(const char *text) {
        g_autoptr(GPtrArray) findings = template_findings_new();
        g_autofree char *found = NULL;
        Template *template = NULL;
        int r;

        r = template_parse("test", text, findings, &template);
        found = format_findings(findings);
        assert_text(text, found, "");
        assert_int_equal(r, 0);
        assert_non_null(template);
        return template;
}

static void test_default(void **state G_GNUC_UNUSED) {
        g_autoptr(Template) template = template_new_default();
        g_autofree char *found = format_template(template);

        assert_string_equal(template_get_name(template), "default");
        assert_true(template_get_description(template)[0] != '\0');
        assert_text("default", found,
                    "layers host-usr\nhide /usr/share/bulkhead|/usr/local/share/bulkhead\nfolders /gateways\n"
                    "mounts \nupper ephemeral 104857600\nmap-host-root 0\nuser 1000:1000 /home/app\n"
                    "environment PATH=/usr/bin:/bin|HOME=/home/app|LANG=C.UTF-8|TERM=linux\n"
                    "memory 536870912\ntasks 256\nhalt 15\nstop 2000000\nstart 8000000\n"
                    "user-namespace 1\nnetwork veth\nseccomp default\nlinux-capabilities 0\n"
                    "masked \nread-only \ncommand \nfolder -\n");
}

/* What is shipped as a file is what is compiled in, and names every key that there is. */
static void test_default_file(void **state G_GNUC_UNUSED) {
        g_autoptr(Template) compiled = template_new_default(), empty = parse(""), read = NULL;
        g_autofree char *path = source_path("templates/default.conf"), *text = NULL;
        g_autofree char *expected = format_template(compiled), *found = NULL,
                        *from_empty = format_template(empty);

        assert_true(g_file_get_contents(path, &text, NULL, NULL));
        read = parse(text);
        found = format_template(read);
        assert_text("default.conf", found, expected);
        assert_text("empty", from_empty, expected);
        assert_string_equal(template_get_description(read), template_get_description(compiled));
}

/* The other samples have no mistakes either. */
static void test_samples(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *file, *line;
        } rows[] = {
                { "templates/legacy.conf", "user-namespace 0\n" },
                { "templates/image.conf", "layers /srv/app.squashfs|host-usr\n" },
                { "templates/image.conf", "upper persistent" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
                g_autofree char *path = source_path(rows[i].file), *text = NULL, *found = NULL;
                g_autoptr(Template) template = NULL;

                assert_true(g_file_get_contents(path, &text, NULL, NULL));
                template = parse(text);
                found = format_template(template);
                if (!strstr(found, rows[i].line))
                        fail_msg("%s has no %s", rows[i].file, rows[i].line);
        }
}

static void test_good(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *line; /* one line of format_spec() */
        } cases[] = {
                { "comments and blanks", "# first\n\n  # second\n[Limits]\n  Tasks = 7 \n", "tasks 7\n" },
                { "sections again", "[Limits]\nTasks=7\n[Rootfs]\n[Limits]\nMemory=1M\n",
                  "memory 1048576\n" },
                { "no newline at the end", "[Limits]\nTasks=7", "tasks 7\n" },
                { "layers", "[Rootfs]\nLayers=/opt//app/ host-usr \"/srv/a b\"\n",
                  "layers /opt/app|host-usr|/srv/a b\n" },
                { "hide nothing", "[Rootfs]\nHide=\n", "hide \n" },
                { "hide", "[Rootfs]\nHide=/usr/share/doc  /usr/share/man\n",
                  "hide /usr/share/doc|/usr/share/man\n" },
                { "mkdir", "[Rootfs]\nMkdir=/a /b/c\n", "folders /a|/b/c\n" },
                { "no upper", "[Rootfs]\nUpper=none\n", "upper none 104857600\n" },
                { "no upper, with a size", "[Rootfs]\nUpperSize=1G\nUpper=none\n", "upper none 1073741824\n" },
                { "persistent upper", "[Rootfs]\nUpper=persistent\n", "upper persistent 104857600\n" },
                { "images", "[Rootfs]\nLayers=/srv/a.squashfs /srv/b.erofs host-usr\n",
                  "layers /srv/a.squashfs|/srv/b.erofs|host-usr\n" },
                { "mounts", "[Rootfs]\nMount=none /tmp tmpfs size=1M\nMount=\nMount=/srv/a /a none bind,ro\n",
                  "mounts none /tmp tmpfs size=1M|/srv/a /a none bind,ro\n" },
                { "upper size in bytes", "[Rootfs]\nUpperSize=65536\n", "upper ephemeral 65536\n" },
                { "upper size in K", "[Rootfs]\nUpperSize=64K\n", "upper ephemeral 65536\n" },
                { "upper size in G", "[Rootfs]\nUpperSize=2G\n", "upper ephemeral 2147483648\n" },
                { "upper size in T", "[Rootfs]\nUpperSize=1T\n", "upper ephemeral 1099511627776\n" },
                { "map host root", "[Namespaces]\nMapHostRoot=yes\n", "map-host-root 1\n" },
                { "map host root: true", "[Namespaces]\nMapHostRoot=true\n", "map-host-root 1\n" },
                { "map host root: false", "[Namespaces]\nMapHostRoot=false\n", "map-host-root 0\n" },
                { "network none", "[Namespaces]\nNetwork=none\n", "network none\n" },
                { "network host", "[Namespaces]\nNetwork=host\n", "network host\n" },
                { "network veth", "[Namespaces]\nNetwork=veth\n", "network veth\n" },
                { "no user namespace", "[Namespaces]\nUser=no\n", "user-namespace 0\n" },
                { "user namespace", "[Namespaces]\nUser=true\n", "user-namespace 1\n" },
                { "group", "[Process]\nGroup=5\n", "user 1000:5 /home/app\n" },
                { "group root", "[Process]\nGroup=root\nUser=app\n", "user 1000:0 /home/app\n" },
                { "group app", "[Process]\nUser=root\nGroup=app\n", "user 0:1000 /root\n" },
                { "group instead of the user's", "[Process]\nGroup=7\nUser=5:6\n", "user 5:7 /home/app\n" },
                { "command", "[Process]\nCommand=/usr/bin/maps \"a b\" --x\n",
                  "command /usr/bin/maps|a b|--x\n" },
                { "working directory", "[Process]\nWorkingDirectory=/srv//maps/\n", "folder /srv/maps\n" },
                { "working directory root", "[Process]\nWorkingDirectory=/\n", "folder /\n" },
                { "seccomp none", "[Security]\nSeccomp=none\n", "seccomp none\n" },
                { "linux capabilities", "[Security]\nLinuxCapabilities=CAP_CHOWN net_raw\n",
                  "linux-capabilities 2001\n" },
                { "last linux capability", "[Security]\nLinuxCapabilities=cap_checkpoint_restore\n",
                  "linux-capabilities 10000000000\n" },
                { "masked", "[Security]\nMasked=/proc/kcore /sys/firmware\n",
                  "masked /proc/kcore|/sys/firmware\n" },
                { "read-only", "[Security]\nReadOnly=/etc\n", "read-only /etc\n" },
                { "user app", "[Process]\nUser=app\n", "user 1000:1000 /home/app\n" },
                { "user root", "[Process]\nUser=root\n", "user 0:0 /root\n" },
                { "root's home", "[Process]\nUser=root\n",
                  "environment PATH=/usr/bin:/bin|HOME=/root|LANG=C.UTF-8|TERM=linux\n" },
                { "uid 0", "[Process]\nUser=0\n", "user 0:0 /root\n" },
                { "uid", "[Process]\nUser=33\n", "user 33:33 /home/app\n" },
                { "uid and gid", "[Process]\nUser=33:44\n", "user 33:44 /home/app\n" },
                { "highest uid", "[Process]\nUser=65533:65533\n", "user 65533:65533 /home/app\n" },
                { "environment", "[Process]\nEnvironment=A=1 B=\"x y\" \"C=\\\"q\\\\\" D= E=a=b\n",
                  "environment A=1|B=x y|C=\"q\\|D=|E=a=b\n" },
                { "no environment", "[Process]\nEnvironment=\n", "environment \n" },
                { "a hash belongs to the value", "[Process]\nEnvironment=A=1 B=#2\n",
                  "environment A=1|B=#2\n" },
                { "signal by name", "[Process]\nHaltSignal=SIGINT\n", "halt 2\n" },
                { "signal by number", "[Process]\nHaltSignal=15\n", "halt 15\n" },
                { "real-time signal", "[Process]\nHaltSignal=SIGRTMIN+3\n", "halt 37\n" },
                { "stop timeout", "[Process]\nStopTimeoutSec=0.25\n", "stop 250000\n" },
                { "shortest timeout", "[Process]\nStopTimeoutSec=0.1\n", "stop 100000\n" },
                { "longest timeout", "[Process]\nStopTimeoutSec=600\n", "stop 600000000\n" },
                { "start timeout", "[Process]\nStartTimeoutSec=1.000001\n", "start 1000001\n" },
                { "memory", "[Limits]\nMemory=64M\n", "memory 67108864\n" },
                { "memory infinity", "[Limits]\nMemory=infinity\n", "memory 0\n" },
                { "tasks infinity", "[Limits]\nTasks=infinity\n", "tasks 0\n" },
                { "defaults",
                  "[Rootfs]\nMount=\n[Namespaces]\nUser=yes\nNetwork=veth\n[Process]\nGroup=\nCommand=\n"
                  "WorkingDirectory=\n[Security]\nSeccomp=default\nLinuxCapabilities=\nMasked=\nReadOnly=\n"
                  "[Pool]\nReady=0\n",
                  "tasks 256\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(Template) template = parse(cases[i].text);
                g_autofree char *found = format_template(template);

                if (!strstr(found, cases[i].line))
                        fail_msg("%s:\n%shas no line\n%s", cases[i].name, found, cases[i].line);
        }
}

static void test_refused(void **state G_GNUC_UNUSED) {
        static const struct {
                const char *name, *text, *findings;
        } cases[] = {
                { "not a line", "[Limits]\nTasks\n",
                  "2: 'Tasks' is not understood, expected [Section], Key=value or # comment\n" },
                { "key before a section", "Tasks=7\n[Limits]\n",
                  "1: 'Tasks=7' stands before the first [Section]\n" },
                { "section without an end", "[Limits\nTasks=7\n",
                  "1: Section '[Limits' has no ']' at its end\n" },
                { "unknown section", "[Limit]\nTasks=7\nFoo=1\n",
                  "1: Unknown section [Limit]; did you mean 'Limits', expected one of: Template, "
                  "Rootfs, Namespaces, Process, Limits, Security, Pool\n" },
                { "far section", "[Unit]\n",
                  "1: Unknown section [Unit], expected one of: Template, Rootfs, Namespaces, "
                  "Process, Limits, Security, Pool\n" },
                { "unknown key", "[Limits]\nTask=7\n",
                  "2: Unknown key Task= in [Limits]; did you mean 'Tasks'\n" },
                { "far key", "[Limits]\nCpuShares=7\n", "2: Unknown key CpuShares= in [Limits]\n" },
                { "key of another section", "[Template]\nHide=/x\n",
                  "2: Unknown key Hide= in [Template], expected it in [Rootfs]\n" },
                { "lower case", "[Limits]\ntasks=7\n",
                  "2: Unknown key tasks= in [Limits]; did you mean 'Tasks'\n" },
                { "twice", "[Limits]\nTasks=7\nMemory=64M\nTasks=7\n",
                  "4: Tasks= stands in line 2 already, expected it once\n" },
                { "semicolon comment", "; text\n", "1: '; text' stands before the first [Section]\n" },
                { "comment behind a value", "[Rootfs]\nUpper=none # read-only\n",
                  "2: Upper='none # read-only' is unknown, expected one of: ephemeral, none, persistent\n" },
                { "carriage return", "[Limits]\r\n",
                  "1: The line is not UTF-8 text without control characters\n" },
                { "control character", "[Template]\nDescription=a\033[2J\n",
                  "2: The line is not UTF-8 text without control characters\n" },
                { "layers: empty", "[Rootfs]\nLayers=\n",
                  "2: Layers= is empty, expected 'host-usr', folders or images, top first\n" },
                { "layers: relative", "[Rootfs]\nLayers=usr\n",
                  "2: Layers=: Path 'usr' is not absolute, it has to start with '/'\n" },
                { "layers: dot dot", "[Rootfs]\nLayers=/srv/../etc\n",
                  "2: Layers=: Path '/srv/../etc' has a '..' component\n" },
                { "layers: twice", "[Rootfs]\nLayers=/srv/a host-usr /srv//a\n",
                  "2: Layers= has '/srv/a' twice\n" },
                { "layers: the host's root", "[Rootfs]\nLayers=/\n",
                  "2: Layers= has '/' in it, expected paths below\n" },
                { "layers: quote", "[Rootfs]\nLayers=\"/srv/a\n",
                  "2: Layers= has a double quote without an end\n" },
                { "layers: misspelt", "[Rootfs]\nLayers=hostusr\n",
                  "2: Layers=: Path 'hostusr' is not absolute, it has to start with '/'\n" },
                { "hide: relative", "[Rootfs]\nHide=/usr/share/doc share\n",
                  "2: Hide=: Path 'share' is not absolute, it has to start with '/'\n" },
                { "hide: root", "[Rootfs]\nHide=/\n", "2: Hide= has '/' in it, expected paths below\n" },
                { "mkdir: dot dot", "[Rootfs]\nMkdir=/a/..\n",
                  "2: Mkdir=: Path '/a/..' has a '..' component\n" },
                { "mkdir: root in disguise", "[Rootfs]\nMkdir=//.\n",
                  "2: Mkdir= has '/' in it, expected paths below\n" },
                { "upper: misspelt", "[Rootfs]\nUpper=ephemral\n",
                  "2: Upper='ephemral' is unknown; did you mean 'ephemeral', expected one of: "
                  "ephemeral, none, persistent\n" },
                { "upper: empty", "[Rootfs]\nUpper=\n",
                  "2: Upper='' is unknown, expected one of: ephemeral, none, persistent\n" },
                { "upper size: letter", "[Rootfs]\nUpperSize=100X\n",
                  "2: UpperSize='100X' is not a size, expected a number with K, M, G, T or no "
                  "letter behind it\n" },
                { "upper size: two letters", "[Rootfs]\nUpperSize=100MB\n",
                  "2: UpperSize='100MB' is not a size, expected a number with K, M, G, T or no "
                  "letter behind it\n" },
                { "upper size: negative", "[Rootfs]\nUpperSize=-1\n",
                  "2: UpperSize='-1' is not a size, expected a number with K, M, G, T or no letter "
                  "behind it\n" },
                { "upper size: none", "[Rootfs]\nUpperSize=0\n",
                  "2: UpperSize='0' is out of range, expected 65536 to 1125899906842624 bytes\n" },
                { "upper size: empty", "[Rootfs]\nUpperSize=\n",
                  "2: UpperSize='' is not a size, expected a number with K, M, G, T or no letter "
                  "behind it\n" },
                { "upper size: infinity", "[Rootfs]\nUpperSize=infinity\n",
                  "2: UpperSize='infinity' is not a size, expected a number with K, M, G, T or no "
                  "letter behind it\n" },
                { "upper size: overflow", "[Rootfs]\nUpperSize=99999999999999999999G\n",
                  "2: UpperSize='99999999999999999999G' is out of range, expected 65536 to "
                  "1125899906842624 bytes\n" },
                { "upper size: shifted out", "[Rootfs]\nUpperSize=18014398509481985K\n",
                  "2: UpperSize='18014398509481985K' is out of range, expected 65536 to "
                  "1125899906842624 bytes\n" },
                { "mount", "[Rootfs]\nMount=none /x tmpfs\nMount=proc /x proc\n",
                  "3: Mount=: File system 'proc' is not one of: tmpfs, overlay, squashfs, erofs, or any word with "
                  "the option bind\n" },
                { "ready and persistent", "[Pool]\nReady=1\n[Rootfs]\nUpper=persistent\n",
                  "0: Ready= keeps sandboxes waiting that have no name yet, expected 0 with Upper=persistent\n" },
                { "namespaces user: word", "[Namespaces]\nUser=app\n",
                  "2: User='app' is unknown, expected one of: no, yes, false, true\n" },
                { "network: misspelt", "[Namespaces]\nNetwork=vet\n",
                  "2: Network='vet' is unknown; did you mean 'veth', expected one of: veth, none, host\n" },
                { "map host root: maybe", "[Namespaces]\nMapHostRoot=1\n",
                  "2: MapHostRoot='1' is unknown, expected one of: no, yes, false, true\n" },
                { "user: name", "[Process]\nUser=www-data\n",
                  "2: User='www-data' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: empty", "[Process]\nUser=\n",
                  "2: User='' is not a user, expected 'app', 'root' or uid[:gid] from 0 to 65533\n" },
                { "user: negative", "[Process]\nUser=-1\n",
                  "2: User='-1' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: init's", "[Process]\nUser=65535\n",
                  "2: User='65535' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: nobody", "[Process]\nUser=65534\n",
                  "2: User='65534' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: group of init", "[Process]\nUser=5:65535\n",
                  "2: User='5:65535' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: colon", "[Process]\nUser=5:\n",
                  "2: User='5:' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: three", "[Process]\nUser=5:6:7\n",
                  "2: User='5:6:7' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "user: words", "[Process]\nUser=app:app\n",
                  "2: User='app:app' is not a user, expected 'app', 'root' or uid[:gid] from 0 to "
                  "65533\n" },
                { "group: name", "[Process]\nGroup=audio\n",
                  "2: Group='audio' is not a group, expected 'app', 'root' or a gid from 0 to 65533\n" },
                { "group: init's", "[Process]\nGroup=65535\n",
                  "2: Group='65535' is not a group, expected 'app', 'root' or a gid from 0 to 65533\n" },
                { "group: pair", "[Process]\nGroup=5:6\n",
                  "2: Group='5:6' is not a group, expected 'app', 'root' or a gid from 0 to 65533\n" },
                { "command: empty word", "[Process]\nCommand=\"\" a\n",
                  "2: Command= begins with an empty word, expected a program\n" },
                { "working directory: relative", "[Process]\nWorkingDirectory=srv\n",
                  "2: WorkingDirectory=: Path 'srv' is not absolute, it has to start with '/'\n" },
                { "environment: no name", "[Process]\nEnvironment=A=1 =2\n",
                  "2: Environment= has '=2' in it, expected NAME=value\n" },
                { "environment: no value", "[Process]\nEnvironment=A=1 B\n",
                  "2: Environment= has 'B' in it, expected NAME=value\n" },
                { "environment: twice", "[Process]\nEnvironment=A=1 AB=2 A=3\n",
                  "2: Environment= has the variable 'A' twice\n" },
                { "environment: quote", "[Process]\nEnvironment=A=\"1\n",
                  "2: Environment= has a double quote without an end\n" },
                { "signal: unknown", "[Process]\nHaltSignal=SIGFOO\n",
                  "2: HaltSignal='SIGFOO' is not a signal that ends programs, expected a name like "
                  "SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: 0", "[Process]\nHaltSignal=0\n",
                  "2: HaltSignal='0' is not a signal that ends programs, expected a name like "
                  "SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: 65", "[Process]\nHaltSignal=65\n",
                  "2: HaltSignal='65' is not a signal that ends programs, expected a name like "
                  "SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: SIGSTOP", "[Process]\nHaltSignal=SIGSTOP\n",
                  "2: HaltSignal='SIGSTOP' is not a signal that ends programs, expected a name "
                  "like SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: without SIG", "[Process]\nHaltSignal=TERM\n",
                  "2: HaltSignal='TERM' is not a signal that ends programs, expected a name like "
                  "SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: too real", "[Process]\nHaltSignal=SIGRTMIN+31\n",
                  "2: HaltSignal='SIGRTMIN+31' is not a signal that ends programs, expected a name "
                  "like SIGTERM or SIGRTMIN+3, or a number\n" },
                { "signal: empty", "[Process]\nHaltSignal=\n",
                  "2: HaltSignal='' is not a signal that ends programs, expected a name like "
                  "SIGTERM or SIGRTMIN+3, or a number\n" },
                { "stop timeout: 0", "[Process]\nStopTimeoutSec=0\n",
                  "2: StopTimeoutSec='0' is not a time, expected seconds from 0.1 to 600\n" },
                { "stop timeout: short", "[Process]\nStopTimeoutSec=0.09\n",
                  "2: StopTimeoutSec='0.09' is not a time, expected seconds from 0.1 to 600\n" },
                { "stop timeout: long", "[Process]\nStopTimeoutSec=600.1\n",
                  "2: StopTimeoutSec='600.1' is not a time, expected seconds from 0.1 to 600\n" },
                { "stop timeout: unit", "[Process]\nStopTimeoutSec=2s\n",
                  "2: StopTimeoutSec='2s' is not a time, expected seconds from 0.1 to 600\n" },
                { "stop timeout: seven digits", "[Process]\nStopTimeoutSec=0.1000001\n",
                  "2: StopTimeoutSec='0.1000001' is not a time, expected seconds from 0.1 to 600\n" },
                { "stop timeout: point", "[Process]\nStopTimeoutSec=2.\n",
                  "2: StopTimeoutSec='2.' is not a time, expected seconds from 0.1 to 600\n" },
                { "start timeout: infinity", "[Process]\nStartTimeoutSec=infinity\n",
                  "2: StartTimeoutSec='infinity' is not a time, expected seconds from 0.1 to 600\n" },
                { "start timeout: negative", "[Process]\nStartTimeoutSec=-8\n",
                  "2: StartTimeoutSec='-8' is not a time, expected seconds from 0.1 to 600\n" },
                { "memory: too small", "[Limits]\nMemory=1023K\n",
                  "2: Memory='1023K' is out of range, expected 1048576 to 1125899906842624 bytes\n" },
                { "memory: unit", "[Limits]\nMemory=1g\n",
                  "2: Memory='1g' is not a size, expected a number with K, M, G, T or no letter "
                  "behind it\n" },
                { "memory: fraction", "[Limits]\nMemory=1.5G\n",
                  "2: Memory='1.5G' is not a size, expected a number with K, M, G, T or no letter "
                  "behind it\n" },
                { "tasks: 0", "[Limits]\nTasks=0\n",
                  "2: Tasks='0' is not a number of tasks, expected 1 to 4194304 or 'infinity'\n" },
                { "tasks: too many", "[Limits]\nTasks=4194305\n",
                  "2: Tasks='4194305' is not a number of tasks, expected 1 to 4194304 or "
                  "'infinity'\n" },
                { "tasks: unit", "[Limits]\nTasks=1K\n",
                  "2: Tasks='1K' is not a number of tasks, expected 1 to 4194304 or 'infinity'\n" },
                { "seccomp: path", "[Security]\nSeccomp=../x\n",
                  "2: Seccomp='../x' is no name of a filter, expected default, none or the name of a file of "
                  "templates.d without its .seccomp\n" },
                { "linux capabilities: unknown", "[Security]\nLinuxCapabilities=CAP_CHOWN CAP_SYS_FOO\n",
                  "2: LinuxCapabilities= has 'CAP_SYS_FOO' in it, expected names like CAP_NET_RAW\n" },
                { "linux capabilities: prefix only", "[Security]\nLinuxCapabilities=CAP_\n",
                  "2: LinuxCapabilities= has 'CAP_' in it, expected names like CAP_NET_RAW\n" },
                { "masked: relative", "[Security]\nMasked=proc\n",
                  "2: Masked=: Path 'proc' is not absolute, it has to start with '/'\n" },
                { "read-only: root", "[Security]\nReadOnly=/\n",
                  "2: ReadOnly= has '/' in it, expected paths below\n" },
                { "pool: too many", "[Pool]\nReady=65\n",
                  "2: Ready='65' is not a number of sandboxes, expected 0 to 64\n" },
                { "pool: word", "[Pool]\nReady=yes\n",
                  "2: Ready='yes' is not a number of sandboxes, expected 0 to 64\n" },
                { "all are told", "[Limits]\nTasks=0\n\nMemory=x\n[Procces]\nUser=app\n[Pool]\nReady=-1\n",
                  "2: Tasks='0' is not a number of tasks, expected 1 to 4194304 or 'infinity'\n"
                  "4: Memory='x' is not a size, expected a number with K, M, G, T or no letter "
                  "behind it\n"
                  "5: Unknown section [Procces]; did you mean 'Process', expected one of: "
                  "Template, Rootfs, Namespaces, Process, Limits, Security, Pool\n"
                  "8: Ready='-1' is not a number of sandboxes, expected 0 to 64\n" },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                g_autoptr(GPtrArray) findings = template_findings_new();
                g_autofree char *found = NULL;
                Template *template = NULL;

                assert_int_equal(template_parse("test", cases[i].text, findings, &template), -EBADMSG);
                assert_null(template);
                found = format_findings(findings);
                assert_text(cases[i].name, found, cases[i].findings);
        }
}

static void test_limits(void **state G_GNUC_UNUSED) {
        g_autofree char *filler = g_strnfill(TEMPLATE_SIZE_MAX - 1, 'x'),
                        *full = g_strconcat("#", filler, NULL);
        g_autofree char *above = g_strconcat("##", filler, NULL);
        g_autoptr(Template) template = parse(full);
        g_autoptr(GPtrArray) findings = template_findings_new();
        GString *list = g_string_new("[Rootfs]\nHide=");
        Template *none = NULL;
        g_autofree char *found = NULL;

        for (unsigned i = 0; i <= TEMPLATE_LIST_MAX; i++)
                g_string_append_printf(list, "/h%u ", i);
        assert_string_equal(template_get_name(template), "test");
        assert_int_equal(template_parse("test", above, findings, &none), -EBADMSG);
        assert_int_equal(template_parse("test", list->str, findings, &none), -EBADMSG);
        found = format_findings(findings);
        assert_text("limits", found,
                    "0: The file has more than 65536 bytes\n2: Hide= has more than 256 entries\n");
        g_string_free(list, TRUE);
}

static void test_references(void **state G_GNUC_UNUSED) {
        Template *template = template_new_default();

        assert_ptr_equal(template_ref(template), template);
        template_unref(template);
        assert_string_equal(template_get_name(template), "default");
        template_unref(template);
        template_unref(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default), cmocka_unit_test(test_default_file),
                cmocka_unit_test(test_samples), cmocka_unit_test(test_good),    cmocka_unit_test(test_refused),
                cmocka_unit_test(test_limits),  cmocka_unit_test(test_references),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
