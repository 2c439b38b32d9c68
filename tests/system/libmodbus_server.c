// SPDX-License-Identifier: Apache-2.0
// A Modbus/TCP server over libmodbus for the tests: many connections, one thread, a pattern in every table, and holes.
//
//   server PORT       0: any; prints "port N" when it listens; ends when its standard input ends
//
// holding i = input i = (i * 31 + 7) mod 65536, coil i = i mod 3 is 0, discrete input i = i mod 5 is 0; 1000 of each.
// Reading or writing any of holding 200..209, or reading coil 100, is exception 2 (a hole in the map).
#include <errno.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 1000

static int touches_hole(const uint8_t *query, int head) {
    int function = query[head], first = query[head + 1] << 8 | query[head + 2];
    int count = query[head + 3] << 8 | query[head + 4];
    if (function == 5 || function == 6 || function == 22) count = 1;
    if (function == 1) return first <= 100 && first + count > 100;
    if (function == 3 || function == 6 || function == 16 || function == 22) return first <= 209 && first + count > 200;
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    modbus_mapping_t *map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (context == NULL || map == NULL) return 1;
    for (int i = 0; i < SIZE; i++) {
        map->tab_registers[i] = map->tab_input_registers[i] = (uint16_t)(i * 31 + 7);
        map->tab_bits[i] = i % 3 == 0;
        map->tab_input_bits[i] = i % 5 == 0;
    }
    int listener = modbus_tcp_listen(context, 64);
    if (listener < 0) return 1;
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    getsockname(listener, (struct sockaddr *)&name, &size);
    printf("port %d\n", ntohs(name.sin_port));
    fflush(stdout);

    int head = modbus_get_header_length(context), top = listener;
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    fd_set open, ready;
    FD_ZERO(&open);
    FD_SET(listener, &open);
    FD_SET(STDIN_FILENO, &open);
    for (;;) {
        ready = open;
        if (select(top + 1, &ready, NULL, NULL, NULL) < 0) return 1;
        if (FD_ISSET(STDIN_FILENO, &ready)) {
            char byte;
            if (read(STDIN_FILENO, &byte, 1) <= 0) return 0;
        }
        for (int fd = STDERR_FILENO + 1; fd <= top; fd++) {
            if (!FD_ISSET(fd, &ready)) continue;
            if (fd == listener) {
                int one = 1, client = accept(listener, NULL, NULL);
                if (client < 0 || client >= FD_SETSIZE) continue;
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                FD_SET(client, &open);
                if (client > top) top = client;
                continue;
            }
            modbus_set_socket(context, fd);
            int length = modbus_receive(context, query);
            if (length > 0 && touches_hole(query, head)) {
                modbus_reply_exception(context, query, MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS);
            } else if (length > 0) {
                modbus_reply(context, query, length, map);
            } else if (length < 0) {
                close(fd);
                FD_CLR(fd, &open);
            }
        }
    }
}
