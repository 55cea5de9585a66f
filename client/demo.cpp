// SPDX-License-Identifier: MIT
#include "client/demo.h"

#include <fmt/format.h>
#include <langinfo.h>

#include <clocale>
#include <cstdio>
#include <string_view>

#include "client/demo_loop.h"
#include "client/demo_show.h"

namespace client {

namespace {

void complain(const DemoStopped& stopped, const std::string& complaints) {
  if (stopped.exit_code == 130) {
    fmt::print(stderr, "\nthuban demo: interrupted\n");
    return;
  }
  fmt::print(stderr, "\nthuban demo: failed at: {}\n{}", stopped.why, complaints);
}

// LC_ALL, LC_CTYPE or LANG say what the terminal takes; this process' own locale stays.
bool locale_is_utf8() {
  const locale_t locale = newlocale(LC_CTYPE_MASK, "", nullptr);
  if (locale == nullptr) return false;
  const bool utf8 = std::string_view(nl_langinfo_l(CODESET, locale)) == "UTF-8";
  freelocale(locale);
  return utf8;
}

}  // namespace

int run_demo(const DemoOptions& wanted) {
  DemoOptions options = wanted;
  options.unicode = wanted.unicode && locale_is_utf8();
  try {
    DemoShow show(options);
    try {
      show.play();
      show.close("done");
      return 0;
    } catch (const DemoStopped& stopped) {
      complain(stopped, show.complaints());
      show.close(stopped.why);
      return stopped.exit_code;
    }
  } catch (const DemoStopped& stopped) {
    complain(stopped, "");
    return stopped.exit_code;
  }
}

}  // namespace client
