// SPDX-License-Identifier: MIT
//
// The part of the command line that asks the system: parse_options() itself is pure.
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "client/options.h"

namespace client {

Environment environment_of_process() {
  Environment out;
  for (const char* name : {"HOME", "XDG_STATE_HOME", "NO_COLOR", "LOGNAME", "THUBAN_PASSWORD",
                           "THUBAN_KEYLOG", "THUBAN_NAT", "THUBAN_STORE"}) {
    if (const char* value = std::getenv(name)) out[name] = value;
  }
  if (out["LOGNAME"].empty()) {
    if (const passwd* user = getpwuid(getuid())) out["LOGNAME"] = user->pw_name;
  }
  return out;
}

}  // namespace client
