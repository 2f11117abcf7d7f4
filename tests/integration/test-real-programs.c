/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Programs as they are, under the default template with all of its walls
 *
 * Each does something that only works if much of the system calls and files below it work. What the host does not
 * have is skipped and said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixture/test-client.h"

static TestClient *client;

#define JAVA_ETC "/etc/java-17-openjdk"

/* Debian's Java has a part of itself in /etc, which is the sandbox's own. */
static void prepare(TestService *service) {
        static const char manifest[] =
                "{ \"version\": \"1\", \"capabilities\": [ { \"name\": \"java\", \"gateways\": [ { \"id\": \"file\", "
                "\"config\": [ { \"path-host\": \"" JAVA_ETC "\", \"path-container\": \"" JAVA_ETC "\" } ] } ] } ] }";

        g_free(test_service_write(service, "etc/bulkhead/manifests.d/java.json", manifest));
}

static int open_client(void **state) {
        client = test_client_new(*state);
        return 0;
}

static int close_client(void **state) {
        g_clear_pointer(&client, test_client_free);
        return test_after_each(state);
}

static void need(const char *file, const char *package) {
        if (access(file, R_OK) == 0)
                return;
        print_message("SKIP: there is no %s (package %s)\n", file, package);
        skip();
}

/* Runs it in a sandbox of its own; its output has to have the line @expected. */
static void expect_with(const TestRequest *request, const char *script, const char *expected) {
        g_autofree char *output = NULL;
        int status = test_client_launch_shell(client, request, script, &output);

        if (status != 0 || !test_has_line(output, expected))
                fail_msg("Status %d, '%s' was expected, it said: %s", status, expected, output);
}

static void expect(const char *script, const char *expected) {
        expect_with(NULL, script, expected);
}

static void test_bash(void **state G_GNUC_UNUSED) {
        need("/bin/bash", "bash");
        expect("exec /bin/bash -c 'set -euo pipefail; mkdir -p ~/a/b; printf \"%s\\n\" {1..1000} > ~/a/b/c; "
               "sort -rn < ~/a/b/c | (sleep 0.05; tail -1) & wait; cat <(wc -l < ~/a/b/c); "
               "trap \"echo caught\" USR1; kill -USR1 $$; [[ $(ulimit -n) -gt 0 ]]; umask; ls -l ~/a/b | wc -l'",
               "caught");
}

static void test_perl(void **state G_GNUC_UNUSED) {
        need("/usr/bin/perl", "perl-base");
        expect("exec /usr/bin/perl -e 'use IO::Socket::UNIX; use Socket; my $pid = fork() // die $!; "
               "if (!$pid) { exec(\"/bin/sh\", \"-c\", \"exit 3\") } waitpid($pid, 0); "
               "socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die $!; "
               "open(my $f, \">\", \"/tmp/x\") or die $!; flock($f, 2) or die $!; chmod(0600, \"/tmp/x\") or die $!; "
               "printf(\"status %d at %s\\n\", $? >> 8, (stat(\"/tmp/x\"))[2] & 0777)'",
               "status 3 at 384");
}

static void test_python_sqlite(void **state G_GNUC_UNUSED) {
        need("/usr/bin/python3", "python3");
        expect("exec /usr/bin/python3 -c 'import sqlite3; d = sqlite3.connect(\"/tmp/x.db\"); "
               "d.execute(\"pragma journal_mode=wal\"); d.execute(\"create table t(a)\"); "
               "d.executemany(\"insert into t values(?)\", ((i,) for i in range(1000))); d.commit(); "
               "print(\"sum\", d.execute(\"select sum(a) from t\").fetchone()[0])'",
               "sum 499500");
}

/* Both ends in one sandbox, over its own loopback: threads, sockets, OpenSSL's random numbers. */
static void test_python_ssl(void **state G_GNUC_UNUSED) {
        need("/usr/bin/python3", "python3");
        need("/usr/bin/openssl", "openssl");
        /* There is no /etc/ssl: it is an image's or a capability's business. */
        expect("printf '[req]\ndistinguished_name=d\n[d]\n' > /tmp/o; openssl req -config /tmp/o -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost "
               "-keyout /tmp/k -out /tmp/c 2>/dev/null && exec /usr/bin/python3 -c '\n"
               "import socket, ssl, threading\n"
               "s = socket.create_server((\"127.0.0.1\", 0))\n"
               "def serve():\n"
               "    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(\"/tmp/c\", \"/tmp/k\")\n"
               "    with c.wrap_socket(s.accept()[0], server_side=True) as t: t.sendall(t.recv(99).upper())\n"
               "t = threading.Thread(target=serve); t.start()\n"
               "c = ssl.create_default_context(cafile=\"/tmp/c\"); c.check_hostname = False\n"
               "with c.wrap_socket(socket.create_connection(s.getsockname())) as k:\n"
               "    k.sendall(b\"secret\"); print(k.version(), k.recv(99).decode())\n"
               "t.join()'",
               "TLSv1.3 SECRET");
}

static void test_python_processes(void **state G_GNUC_UNUSED) {
        need("/usr/bin/python3", "python3");
        expect("exec /usr/bin/python3 -c 'import asyncio, multiprocessing as m, subprocess, tempfile\n"
               "def f(x): return x * x\n"
               "if __name__ == \"__main__\":\n"
               "    with m.Pool(3) as p: r = sum(p.map(f, range(100)))\n"
               "    async def g(): return (await (await asyncio.create_subprocess_exec(\"/bin/echo\", \"x\", stdout=-1))"
               ".communicate())[0]\n"
               "    print(r, asyncio.run(g()).decode().strip(), subprocess.check_output([\"id\", \"-un\"]).decode().strip())'",
               "328350 x app");
}

static void test_qt(void **state G_GNUC_UNUSED) {
        need("/usr/lib/python3/dist-packages/PyQt5/QtWidgets.abi3.so", "python3-pyqt5");
        expect("export QT_QPA_PLATFORM=offscreen XDG_RUNTIME_DIR=/tmp; exec /usr/bin/python3 -c '\n"
               "from PyQt5.QtCore import QThread, QTimer\n"
               "from PyQt5.QtWidgets import QApplication, QPushButton\n"
               "a = QApplication([]); b = QPushButton(\"Press\"); b.resize(120, 40); b.show()\n"
               "b.clicked.connect(lambda: print(\"pressed\", b.grab().size().width()))\n"
               "class T(QThread):\n"
               "    def run(self): self.msleep(20)\n"
               "t = T(); t.finished.connect(b.click); t.finished.connect(a.quit); t.start(); a.exec_(); t.wait()'",
               "pressed 120");
}

/* The compiler, the virtual machine with its threads and collectors. */
static void test_java(void **state G_GNUC_UNUSED) {
        static const char source[] =
                "import java.util.stream.*;\n"
                "public class A { public static void main(String[] a) throws Exception {\n"
                "  var t = new Thread[8]; var n = new java.util.concurrent.atomic.AtomicLong();\n"
                "  for (int i = 0; i < 8; i++) { t[i] = new Thread(() -> { for (int k = 0; k < 100000; k++) "
                "n.addAndGet(new byte[16].length); }); t[i].start(); }\n"
                "  for (var x : t) x.join();\n"
                "  System.gc(); System.out.println(\"n \" + n + \" \" + "
                "IntStream.range(0, 1000).parallel().sum()); } }\n";
        g_autofree char *script = NULL;

        need("/usr/bin/javac", "openjdk-17-jdk-headless");
        need(JAVA_ETC "/security/java.security", "openjdk-17-jdk-headless");
        script = g_strdup_printf("cd /tmp && cat > A.java <<'END'\n%sEND\n"
                                 "exec /usr/bin/java -Xmx128m -XX:+UseSerialGC A.java",
                                 source);
        expect_with(&(TestRequest){ .capabilities = TEST_STRV("java") }, script, "n 12800000 499500");
}

#define program_test(function) cmocka_unit_test_setup_teardown(function, open_client, close_client)

int main(void) {
        static const struct CMUnitTest tests[] = {
                program_test(test_bash),
                program_test(test_perl),
                program_test(test_python_sqlite),
                program_test(test_python_ssl),
                program_test(test_python_processes),
                program_test(test_qt),
                program_test(test_java),
                cmocka_unit_test(test_nothing_is_left),
        };

        return test_main("real-programs", prepare, tests, G_N_ELEMENTS(tests));
}
