/* The floor of a fan-out: one send() per socket, nothing else. Returns how many did not take the whole frame. */
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

int send_loop(const int *fds, int count, const char *frame, size_t size)
{
    int incomplete = 0;
    for (int i = 0; i < count; i++)
        if (send(fds[i], frame, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size)
            incomplete++;
    return incomplete;
}
