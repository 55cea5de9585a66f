// SPDX-License-Identifier: MIT
#include "client/run.h"

int main(int argc, char** argv) { return client::run({argv + 1, argv + argc}); }
