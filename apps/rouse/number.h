// SPDX-License-Identifier: MIT
//
// Numbers as they stand on the screen: short, with a unit.
#ifndef TOP_NUMBER_H
#define TOP_NUMBER_H

#include <stdint.h>

enum { NUMBER_SIZE = 24 };

// "987", "98.7k", "9.87M": at most six characters below 10^21.
void number_of_count(char out[NUMBER_SIZE], double count);
// "987B", "98.7K", "9.87M": powers of 1024.
void number_of_bytes(char out[NUMBER_SIZE], uint64_t bytes);
// "987ns", "98.7us", "9.87s", and from a thousand seconds on as number_of_uptime().
void number_of_duration(char out[NUMBER_SIZE], uint64_t duration_ns);
// "0:59", "1:02:03", "4d 1:02:03".
void number_of_uptime(char out[NUMBER_SIZE], uint64_t duration_ns);

#endif
