/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the tool that somebody configures IPVS; net/netfilter/ipvs/ip_vs_ctl.c. The tool reads its services after that.
 *
 *   ip_vs_genl_set_cmd(skb, info)  a command over netlink
 *   do_ip_vs_set_ctl(sk, cmd, ...)  the same, by setsockopt(2)
 */
#if REPORT_ROWS
int configure_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_CONFIGURE);
	count(COUNT_STALE_HINTS);
	return 0;
}

int configure_old_kprobe(struct pt_regs *ctx)
{
	count_run(RUN_CONFIGURE_OLD);
	count(COUNT_STALE_HINTS);
	return 0;
}
#endif
