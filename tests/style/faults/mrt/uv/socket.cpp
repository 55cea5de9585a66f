// SPDX-License-Identifier: MIT
#include <uv.h>

#include "mrt/endpoint.h"
#include "node/node.h"

std::mutex allowed_here;
void wait() { std::this_thread::sleep_for(one_second); }
