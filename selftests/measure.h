/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long something takes: in instructions where the time stamp counter counts
 * those, as it does in a guest of QEMU with -icount shift=0, and in ticks of it
 * elsewhere.
 */
#ifndef SELFTESTS_MEASURE_H
#define SELFTESTS_MEASURE_H

#include "common.h"

/*
 * A round has so many batches, of which the middle half counts. Timer ticks, and what
 * they bring along, are in fewer than a quarter of them as long as a batch is shorter
 * than that part of the time from one to the next. The minimum might be a batch that
 * did not have to refill any of the kernel's free lists, which is not what calls cost;
 * and where every other batch does, the median is now of the one kind, now of the other.
 */
#define BATCHES		32

/* Rounds go on until two in a row differ by no more than this part of them. */
#define AGREED		0.002
#define ROUNDS		30

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Two instructions for each of @times. */
static inline uint64_t known_loop(uint32_t times)
{
	uint64_t start = ticks();

	asm volatile("1: dec %0; jnz 1b" : "+r" (times));
	return ticks() - start;
}

/*
 * Whether ticks are instructions: a loop that is longer by a known number of them
 * takes so many more, unless something interrupts it, which not all can be.
 */
static inline bool ticks_are_instructions(void)
{
	int i;

	for (i = 0; i < 10; i++) {
		if (known_loop(30000) - known_loop(10000) == 2 * 20000)
			return true;
	}
	return false;
}

static inline int compare_doubles(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static inline double median(double *values, int n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static inline double mean_of_middle_half(double *values, int n)
{
	double sum = 0;
	int i;

	qsort(values, n, sizeof(*values), compare_doubles);
	for (i = n / 4; i < n - n / 4; i++)
		sum += values[i];
	return sum / (n - 2 * (n / 4));
}

/* What one of @batch takes. */
static inline double measure_round(void (*once)(void), int batch)
{
	double each[BATCHES];
	uint64_t start;
	int i, j;

	for (i = 0; i < BATCHES; i++) {
		start = ticks();
		for (j = 0; j < batch; j++)
			once();
		each[i] = (double)(ticks() - start) / batch;
	}
	return mean_of_middle_half(each, BATCHES);
}

static inline bool agree(double a, double b)
{
	return a - b <= AGREED * b && b - a <= AGREED * a;
}

#endif /* SELFTESTS_MEASURE_H */
