#include "flow/wire.h"

#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/macro.h"

/* Nothing may come in between the count and the close: the other end would count it. */
static void stop(int fd, bool is_reset)
{
	struct sock_filter none = {.code = BPF_RET | BPF_K, .k = 0};
	struct sock_fprog drop = {.len = 1, .filter = &none};
	if (!is_reset)
		shutdown(fd, SHUT_RDWR); /* what comes now is answered with a reset, and not taken */
	else if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop)) < 0)
		shutdown(fd, SHUT_RDWR);
}

/* RFC 9293: the peer's FIN takes a sequence number too. */
static bool has_got_fin(const struct tcp_info *i)
{
	enum { CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };
	return i->tcpi_state == CLOSE_WAIT || i->tcpi_state == LAST_ACK || i->tcpi_state == CLOSING;
}

void wire_end(int fd, bool is_reset, struct wire *ret)
{
	struct tcp_info i = {0};
	socklen_t len = sizeof(i);
	*ret = (struct wire){0};
	if (fd < 0)
		return;
	stop(fd, is_reset);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) < 0 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_retrans) + sizeof(i.tcpi_bytes_retrans))
		return;
	ret->up = i.tcpi_bytes_received - (has_got_fin(&i) && i.tcpi_bytes_received);
	ret->down = i.tcpi_bytes_sent - i.tcpi_bytes_retrans;
}
