# SPDX-License-Identifier: MIT
# Sourced by scripts/thuban, which asks at every start, and by scripts/build.

# is_current ROOT: the program is there and nothing that it is made of is newer. A folder is
# newer when a file was added, removed or renamed in it. One process, a few ms.
is_current() {
  [ -x "$1/build/release/client/thuban" ] && [ -e "$1/build/release/stamp" ] &&
    [ -z "$(cd "$1" && find CMakeLists.txt cmake mrt stun node client scripts/packages.txt \
              -newer build/release/stamp -print -quit)" ]
}
