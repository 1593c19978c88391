# SPDX-License-Identifier: Apache-2.0
# The vocabulary of the directories' CMakeLists.txt.

# wf_library(base SOURCES a.c b.c LIBS ...): the static library wf_base.
function(wf_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_library(wf_${name} STATIC ${ARG_SOURCES})
  target_compile_options(wf_${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${WF_C_WARNINGS}>)
  target_link_libraries(wf_${name} PUBLIC ${ARG_LIBS})
endfunction()

# wf_program(weft-shard SOURCES shard_main.c LIBS wf_shard): an executable in build/bin.
function(wf_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:C>:${WF_C_WARNINGS}>)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
endfunction()

# wf_test(unit/base/arena LABELS unit LIBS wf_base): tests/unit/base/arena_test.c as one ctest of 60 s.
function(wf_test path)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;LIBS;SOURCES;ARGS" ${ARGN})
  get_filename_component(base ${path} NAME)
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 60)
  endif()
  add_executable(${base}_test "${CMAKE_SOURCE_DIR}/tests/${path}_test.c" ${ARG_SOURCES})
  target_compile_options(${base}_test PRIVATE ${WF_C_WARNINGS} -Wno-conversion)
  target_link_libraries(${base}_test PRIVATE ${ARG_LIBS} PkgConfig::CMOCKA)
  set_target_properties(${base}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${path} COMMAND ${base}_test ${ARG_ARGS})
  set_tests_properties(${path} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    ENVIRONMENT "WEFT_BIN=${CMAKE_BINARY_DIR}/bin;WEFT_SOURCE=${CMAKE_SOURCE_DIR}")
endfunction()
