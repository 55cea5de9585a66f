// SPDX-License-Identifier: MIT
#include "client/run.h"
#include "client/store_url.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  client::hide_passwords(argv + 1, argv + argc);
  return client::run(arguments);
}
