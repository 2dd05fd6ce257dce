// The words of netlink(7): message types, attributes and structures of the kernel's own headers.
#ifndef SLIPWAY_NETWORK_H
#define SLIPWAY_NETWORK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nf_tables.h>

#endif
