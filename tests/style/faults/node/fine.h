// SPDX-License-Identifier: MIT
#pragma once

#include "mrt/endpoint.h"
#include "node/roster.h"
