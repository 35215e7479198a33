/* SPDX-License-Identifier: Apache-2.0
 *
 * Tools with a thread that blocks. The essay stands atop sim_tool.c. */
#ifndef SLUICE_TESTS_SIM_TOOL_H
#define SLUICE_TESTS_SIM_TOOL_H

#include "sim.h"

/* Begins to run body(arg) on a thread of its own, now. Gives the loop that it may use. */
struct sim_sched *tool_start(int id, void (*body)(void *arg), void *arg);
/* Ends it between two steps; what it asked the store for takes effect or not. */
void tool_crash(int id);
bool tool_is_running(int id);

#endif
