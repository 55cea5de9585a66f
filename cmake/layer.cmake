# SPDX-License-Identifier: MIT
# thuban_layer(NAME FOLDER [dependency...]): one static library from the sources directly
# in FOLDER, included as "FOLDER/header.h" from the tree and from an installation alike.
function(thuban_layer name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  endif()
  add_library(${name} STATIC ${sources})
  add_library(thuban::${name} ALIAS ${name})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/thuban>)
  # A sanitizer's build and a release are made whole, and not again after each change: eight sources
  # at once take a third to two thirds of the time. What talks to the system and to people has names
  # of its own in each source; and what talks to people computes little, and takes half the time
  # without the optimiser.
  if(THUBAN_SANITIZE AND name MATCHES "client")
    target_compile_options(${name} PRIVATE -O0)
  elseif((THUBAN_SANITIZE OR CMAKE_BUILD_TYPE STREQUAL "Release") AND
         NOT name MATCHES "_uv$|client")
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:thuban::options> PUBLIC ${ARGN})
endfunction()
