# SPDX-License-Identifier: MIT
# What every target is compiled with: thuban::options, linked by each and installed by none.
option(THUBAN_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(THUBAN_WERROR "Warnings are errors" OFF)
set(THUBAN_SANITIZE "" CACHE STRING "Sanitizers, for example address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(thuban_options INTERFACE)
add_library(thuban::options ALIAS thuban_options)
target_compile_options(thuban_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${THUBAN_WERROR}>:-Werror>
  # A designated initialiser leaves the rest at its defaults on purpose; and GCC 12 sees
  # uninitialised members in the inactive alternatives of a std::variant (bug 80635 and its kin).
  $<$<OR:$<CONFIG:Release>,$<BOOL:${THUBAN_WERROR}>>:-Wno-missing-field-initializers>
  $<$<OR:$<CONFIG:Release>,$<BOOL:${THUBAN_WERROR}>>:-Wno-maybe-uninitialized>)

# A release is optimised as a whole: a quarter less code, an eighth more messages told to a hundred
# members, some tenth less of the processor on slow links. The libraries hold common code as well,
# which is what is installed. GCC 12 sees copies beyond all bounds where it inlines that much of
# std::string and std::vector (bugs 105329, 105651 and their kin); the tests' build warns of them.
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(THUBAN_WHOLE_PROGRAM ON)
  target_compile_options(thuban_options INTERFACE -flto=auto -ffat-lto-objects
    -Wno-restrict -Wno-array-bounds -Wno-stringop-overread)
  target_link_options(thuban_options INTERFACE -flto=auto)
endif()

# Asserts of the standard library wherever DCHECK is on, too: both cost too much for Release.
target_compile_definitions(thuban_options INTERFACE $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

# For every object, ours or not: code with and without a sanitizer does not mix.
if(THUBAN_SANITIZE)
  add_compile_options(-fsanitize=${THUBAN_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${THUBAN_SANITIZE})
endif()

# ccache, where it is there, makes a second build (sanitizers, a clean clone) cheap.
find_program(THUBAN_CCACHE ccache)
if(THUBAN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${THUBAN_CCACHE})
endif()
