#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is installed can be used: the program in README.md (the block "```cpp embed") is built
# against it by CMake's find_package and by pkg-config, and both programs run. The prefix is
# moved in between, since an installation must not remember where it was put.
#
#   install_test.sh SOURCE_TREE BUILD_TREE CXX
set -euo pipefail
source_tree=$1 build_tree=$2 cxx=$3

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/moved

cmake --install "$build_tree" --prefix "$folder/first" >"$folder/install.log"
mv "$folder/first" "$prefix"

awk '/^```/ { inside = ($0 == "```cpp embed"); next } inside' "$source_tree/README.md" \
  >"$folder/embed.cpp"
if [ ! -s "$folder/embed.cpp" ]; then
  echo 'README.md has no block that begins with ```cpp embed'
  exit 1
fi

echo "== find_package(thuban)"
cmake -S "$source_tree/tests/install/consumer" -B "$folder/cmake" \
  -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_CXX_COMPILER="$cxx" \
  -DEMBED_SOURCE="$folder/embed.cpp" >"$folder/configure.log"
cmake --build "$folder/cmake"
timeout 30 "$folder/cmake/embed"

echo "== pkg-config thuban"
pc=$(find "$prefix" -name thuban.pc)
read -ra flags < <(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --cflags --libs thuban)
"$cxx" -std=c++20 "$folder/embed.cpp" "${flags[@]}" -o "$folder/embed"
timeout 30 "$folder/embed"

echo "== the program"
"$prefix/bin/thuban" --version
