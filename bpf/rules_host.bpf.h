/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Rules about what is no connection: devices, and what sockets make the kernel do. Pure, as those of rules.bpf.h. */
#pragma once

#include "rules.bpf.h"

/* No disk, no memory of the machine; nothing that makes interfaces, virtual machines' wires or keystrokes, that leads
 * to another machine by a line of its own (serial, parallel, USB), or that drives hardware past the kernel. Numbers:
 * the kernel's admin-guide/devices.txt. Those with a number made at boot (vport, ipmi, uio) are out of sight here. */
RULES_INLINE bool rules_device_allowed(bool is_block, __u32 major, __u32 minor)
{
	enum { MEM = 1, TTY = 4, TTYAUX = 5, MISC = 10, FIRST_SERIAL = 64 };

	if (is_block)
		return false;
	switch (major) {
	case MEM: /* mem, kmem, port, kmsg: the log is forwarded */
		return minor != 1 && minor != 2 && minor != 4 && minor != 11;
	case TTY: /* virtual consoles, then serial lines */
		return minor < FIRST_SERIAL;
	case TTYAUX: /* console, ttyprintk */
		return minor != 1 && minor != 3;
	case MISC: /* vhci, vfio, tun, cuse, uinput, device-mapper, loop-control, vhost-net, vhost-vsock */
		return minor != 137 && minor != 196 && minor != 200 && minor != 203 && minor != 223 && minor != 236 &&
		       minor != 237 && minor != 238 && minor != 241;
	case 6:	  /* lp */
	case 13:  /* input */
	case 21:  /* sg */
	case 99:  /* parport */
	case 108: /* ppp */
	case 166: /* ttyACM */
	case 180: /* usb */
	case 188: /* ttyUSB */
	case 189: /* usb, raw */
	case 204: /* serial lines of boards */
	case 229: /* hvc */
	case 231: /* infiniband */
		return false;
	}
	return true;
}

/* The kernel itself tells the network of each group that a socket joins: its address is a message, by no socket's
 * packet. (IP_ and MCAST_ names of ip(7), ipv6(7); level IPPROTO_IP and IPPROTO_IPV6.) */
RULES_INLINE bool rules_option_allowed(__s32 level, __s32 option)
{
	enum { IP = 0, IPV6 = 41 };

	if (level != IP && level != IPV6)
		return true;
	/* MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP, MCAST_MSFILTER */
	if (option == 42 || option == 46 || option == 48)
		return false;
	if (level == IP) /* IP_ADD_MEMBERSHIP, IP_ADD_SOURCE_MEMBERSHIP, IP_MSFILTER */
		return option != 35 && option != 39 && option != 41;
	return option != 20 && option != 27; /* IPV6_ADD_MEMBERSHIP, IPV6_JOIN_ANYCAST */
}
