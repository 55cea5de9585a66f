// SPDX-License-Identifier: MIT
#include "mrt/base/secret.h"

#include <sodium/utils.h>

namespace mrt {

void wipe(MutableBytes bytes) { sodium_memzero(bytes.data(), bytes.size()); }

}  // namespace mrt
