# SPDX-License-Identifier: LGPL-2.1-or-later
SUMMARY = "Sandbox service for apps of a head unit"
DESCRIPTION = "Runs programs in sandboxes, each with nothing open but what its capabilities say; launchers ask over D-Bus."
SECTION = "base"
LICENSE = "LGPL-2.1-or-later"
LIC_FILES_CHKSUM = "file://${COMMON_LICENSE_DIR}/LGPL-2.1-or-later;md5=2a4f4fd2128ea2f65047ee63fbca9f68"

# Set in a .bbappend or in local.conf to where the sources are kept.
BULKHEAD_URI ?= "git:///srv/git/bulkhead;protocol=file;branch=main"
SRC_URI = "${BULKHEAD_URI}"
SRCREV ?= "${AUTOREV}"
PV = "0.1.0+git${SRCPV}"
S = "${WORKDIR}/git"

inherit meson pkgconfig systemd useradd features_check

REQUIRED_DISTRO_FEATURES = "systemd"

# lxc is in meta-virtualization.
DEPENDS = "glib-2.0 iptables jansson lxc nftables systemd"

EXTRA_OEMESON = "-Dtests=false -Dwerror=false \
    -Dmanifest_share_dir=${datadir}/bulkhead \
    -Dmanifest_etc_dir=${sysconfdir}/bulkhead \
    -Dstate_dir=${localstatedir}/lib/bulkhead \
    -Ddbus_policy_dir=${datadir}/dbus-1/system.d \
    -Ddbus_services_dir=${datadir}/dbus-1/system-services \
    -Ddbus_interfaces_dir=${datadir}/dbus-1/interfaces \
    -Dsystemd_unit_dir=${systemd_system_unitdir} \
    -Dsysusers_dir=${nonarch_libdir}/sysusers.d \
    -Dtmpfiles_dir=${nonarch_libdir}/tmpfiles.d \
    -Dcatalog_dir=${nonarch_libdir}/systemd/catalog"

PACKAGECONFIG ??= ""
# The manual needs pandoc on the build host: HOSTTOOLS += "pandoc".
PACKAGECONFIG[manpages] = "-Dman=enabled,-Dman=disabled"

SYSTEMD_SERVICE:${PN} = "bulkhead.service"

# Images with a read-only root make no users when they boot.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system bulkhead"

PACKAGES =+ "${PN}-bash-completion"

FILES:${PN}-bash-completion = "${datadir}/bash-completion"
FILES:${PN} += " \
    ${datadir}/bulkhead \
    ${datadir}/dbus-1 \
    ${datadir}/polkit-1 \
    ${nonarch_libdir}/sysusers.d \
    ${nonarch_libdir}/tmpfiles.d \
    ${nonarch_libdir}/systemd/catalog \
"
CONFFILES:${PN} = "${sysconfdir}/bulkhead/bulkhead.conf"

RDEPENDS:${PN} = "dbus"
