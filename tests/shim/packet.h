/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Packet: one IP packet, put together by hand and sent by a raw socket
 *
 * Raw sockets send through the firewall's OUT chain and receive behind its IN chain, so that who receives one can
 * tell what a rule lets through: whole, in fragments, behind extension headers, from whatever address. Each
 * has a tag, by which it is known again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan/lease.h"

typedef enum PacketForm {
        PACKET_WHOLE,
        PACKET_FRAGMENTS, /* the ports are in the first, the tag in the last */
        PACKET_EXTENDED,  /* IPv6: behind a header of options for the destination; IPv4: with options */
} PacketForm;

typedef struct Packet {
        LeaseFamily family;
        uint8_t protocol; /* IPPROTO_...: TCP, UDP, SCTP, ICMP, ICMPV6 have their headers, others only the tag */
        const char *from, *to;
        uint16_t from_port, to_port; /* of ICMP: id and type */
        PacketForm form;
        uint32_t tag;
} Packet;

/* Fails the test if it cannot be sent; true if it was, false if the firewall said no (EPERM). */
bool packet_send(int fd, const Packet *packet);

/* A raw socket of the namespace that the caller is in, to send with. */
int packet_open_sender(LeaseFamily family);
/* Another one, which gets what arrives here of @protocol. */
int packet_open_receiver(LeaseFamily family, uint8_t protocol);
/* Takes one packet; false if there is none. *ret_tag is 0 for one without. */
bool packet_receive(int fd, uint32_t *ret_tag);
