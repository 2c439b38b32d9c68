// SPDX-License-Identifier: Apache-2.0
// A Modbus RTU server over libmodbus on a serial port, for the tests: unit 1, holding i = i * 31 + 7 below 60, then 0.
//
//   line PORT       prints "ready" when it listens; ends when it is killed or the port goes
#include <errno.h>
#include <modbus.h>
#include <stdio.h>

#define SIZE 120

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    modbus_t *context = modbus_new_rtu(argv[1], 115200, 'N', 8, 1);
    modbus_mapping_t *map = modbus_mapping_new(SIZE, SIZE, SIZE, SIZE);
    if (context == NULL || map == NULL || modbus_set_slave(context, 1) < 0 || modbus_connect(context) < 0) return 1;
    for (int i = 0; i < 60; i++) map->tab_registers[i] = (uint16_t)(i * 31 + 7);
    printf("ready\n");
    fflush(stdout);
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    for (;;) {
        int length = modbus_receive(context, query);
        if (length > 0) modbus_reply(context, query, length, map);
        if (length < 0 && (errno == EIO || errno == EBADF || errno == ECONNRESET)) return 0;
    }
}
