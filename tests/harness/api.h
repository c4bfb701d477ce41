// SPDX-License-Identifier: MIT
//
// Everything a file of API tests includes.

#ifndef TESTS_HARNESS_API_H
#define TESTS_HARNESS_API_H

#include "harness/body.h"
#include "harness/check.h"
#include "harness/gadgets.h"
#include "harness/harness.h"

#endif
