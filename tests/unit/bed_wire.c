/* SPDX-License-Identifier: Apache-2.0 */
/* The real packets of bed.h: programs attached, frames sent and received on the devices' far sides.
 */
#include "tests/unit/bed_internal.h"

#include "lib/netns.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>

static void attach(
	struct bpf_tc_hook hook, enum bpf_tc_attach_point point, const struct bpf_program *prog)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = bpf_program__fd(prog));

	hook.attach_point = point;
	assert_int_equal(bpf_tc_attach(&hook, &opts), 0);
}

void bed_attach(struct bed *b)
{
	for (int dev = A; dev <= DEV_WIRE; dev++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)b->dev[dev],
			.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

		assert_int_equal(bpf_tc_hook_create(&hook), 0);
		if (dev == DEV_WIRE) {
			attach(hook, BPF_TC_INGRESS, b->skel->progs.from_node);
			continue;
		}
		attach(hook, BPF_TC_INGRESS, b->skel->progs.from_pod);
		attach(hook, BPF_TC_EGRESS, b->skel->progs.to_pod);
	}
}

int bed_socket(struct bed *b, int who)
{
	int dev = who <= NEWPOD ? who : who == SIDE ? DEV_SIDE : DEV_WIRE;
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)b->peer_dev[dev]};
	struct timeval patience = {.tv_sec = 5};
	int fd = lnt_netns_socket(b->peer_ns, AF_PACKET, SOCK_RAW, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}
