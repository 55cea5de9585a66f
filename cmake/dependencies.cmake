# SPDX-License-Identifier: MIT
# Everything comes from Debian 12's packages; some have only pkg-config files. What is
# missing is collected, so that one message names all that must be installed.
set(thuban_missing "")

# Which Debian package gives a dependency: scripts/packages.txt is the one list.
function(thuban_note_missing dependency)
  file(STRINGS ${PROJECT_SOURCE_DIR}/scripts/packages.txt line REGEX "[ ]${dependency}$")
  string(REGEX REPLACE " .*" "" package "${line}")
  message(STATUS "${dependency} not found: Debian package ${package}")
  set(thuban_missing ${thuban_missing} ${package} PARENT_SCOPE)
endfunction()

# Macros, because find_package's results must be seen by the caller.
macro(thuban_find dependency)
  find_package(${dependency} QUIET)
  if(NOT ${dependency}_FOUND)
    thuban_note_missing(${dependency})
  endif()
endmacro()
macro(thuban_find_module dependency)
  if(PkgConfig_FOUND)
    pkg_check_modules(${dependency} QUIET IMPORTED_TARGET GLOBAL ${dependency})
  endif()
  if(NOT ${dependency}_FOUND)
    thuban_note_missing(${dependency})
  endif()
endmacro()

thuban_find(PkgConfig)
thuban_find_module(libuv)
thuban_find_module(libxxhash)
thuban_find_module(libsodium)
thuban_find_module(libcrypto)
thuban_find_module(libedit)
thuban_find_module(libqrencode)
thuban_find_module(miniupnpc)
thuban_find(fmt)
thuban_find(CLI11)
thuban_find(nlohmann_json)
if(THUBAN_TESTS)
  thuban_find(doctest)
  thuban_find(Python3)
endif()

if(thuban_missing)
  string(REPLACE ";" " " packages "${thuban_missing}")
  message(FATAL_ERROR "Packages are missing. On Debian:\n  sudo apt-get install ${packages}")
endif()
