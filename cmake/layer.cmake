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
  target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:thuban::options> PUBLIC ${ARGN})
endfunction()
