// SPDX-License-Identifier: Apache-2.0
// The peer of the bench: libmodbus reads 125 holding registers over and over, one after another, as fast as it can, and
// scales them to doubles.
//
//   client PORT READS     prints CPU microseconds (user and system) for each read
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

static double cpu_us(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int reads = atoi(argv[2]);
    modbus_t *context = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
    uint16_t registers[125];
    double scaled[125], sum = 0;
    if (context == NULL || modbus_connect(context) < 0) return 1;
    double begun = cpu_us();
    for (int i = 0; i < reads; i++) {
        if (modbus_read_registers(context, 0, 125, registers) != 125) return 1;
        for (int k = 0; k < 125; k++) scaled[k] = registers[k] * 0.1 - 40;
        sum += scaled[i % 125];
    }
    printf("%.3f %.0f\n", (cpu_us() - begun) / reads, sum);
    modbus_close(context);
    modbus_free(context);
    return 0;
}
