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

# What every test runs under: where the programs are, and sanitizers that stop and say where.
set(wf_test_environment
  "WEFT_BIN=${CMAKE_BINARY_DIR}/bin"
  "WEFT_SOURCE=${CMAKE_SOURCE_DIR}"
  "UBSAN_OPTIONS=print_stacktrace=1"
  "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/lsan.supp:print_suppressions=0"
  "TSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/tsan.supp")

# Labels, time limit and environment of a test that add_test has made.
function(wf_test_settings path labels timeout)
  if(NOT timeout)
    set(timeout 60)
  endif()
  if(WF_SANITIZE)
    math(EXPR timeout "${timeout} * 4")
  endif()
  set_tests_properties(${path} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout}
    ENVIRONMENT "${wf_test_environment}")
  if("cluster" IN_LIST labels OR "recall" IN_LIST labels)
    set_tests_properties(${path} PROPERTIES RUN_SERIAL ON) # these bring their own processes
  endif()
endfunction()

# wf_test(unit/base/arena LABELS unit LIBS wf_base): tests/unit/base/arena_test.c as one ctest of
# 60 s (four times that with sanitizers).
function(wf_test path)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;LIBS;SOURCES;ARGS" ${ARGN})
  get_filename_component(base ${path} NAME)
  add_executable(${base}_test "${CMAKE_SOURCE_DIR}/tests/${path}_test.c" ${ARG_SOURCES})
  target_compile_options(${base}_test PRIVATE ${WF_C_WARNINGS} -Wno-conversion)
  target_link_libraries(${base}_test PRIVATE ${ARG_LIBS} PkgConfig::CMOCKA)
  set_target_properties(${base}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME ${path} COMMAND ${base}_test ${ARG_ARGS})
  wf_test_settings(${path} "${ARG_LABELS}" "${ARG_TIMEOUT}")
endfunction()

# wf_command_test(cluster/foreign_client LABELS cluster COMMAND /usr/bin/python3 x.py): any command.
function(wf_command_test path)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;COMMAND" ${ARGN})
  add_test(NAME ${path} COMMAND ${ARG_COMMAND})
  wf_test_settings(${path} "${ARG_LABELS}" "${ARG_TIMEOUT}")
endfunction()

# wf_fuzz(csv LIBS wf_tools): tests/fuzz/csv_fuzz.c, which defines LLVMFuzzerTestOneInput, and its
# seeds in tests/fuzz/corpus/csv/. The test fuzz/csv replays the seeds and their near neighbours;
# with the preset fuzz the program is a libFuzzer binary and the test runs it from the seeds, with
# the words of tests/fuzz/csv.dict where there is one.
function(wf_fuzz name)
  cmake_parse_arguments(ARG "" "" "LIBS;SOURCES" ${ARGN})
  set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name}")
  set(source "${CMAKE_SOURCE_DIR}/tests/fuzz/${name}_fuzz.c")
  set(program ${name}_fuzz)
  if(WF_SANITIZE STREQUAL "fuzzer")
    add_executable(${program} ${source} ${ARG_SOURCES})
    target_link_options(${program} PRIVATE -fsanitize=fuzzer)
    set(found "${CMAKE_BINARY_DIR}/fuzz/found/${name}") # libFuzzer writes into its first corpus
    file(MAKE_DIRECTORY ${found})
    set(dictionary "${CMAKE_SOURCE_DIR}/tests/fuzz/${name}.dict")
    set(arguments -runs=20000 -timeout=10 -rss_limit_mb=2048
      -artifact_prefix=${CMAKE_BINARY_DIR}/fuzz/ ${found} ${corpus})
    if(EXISTS "${dictionary}")
      list(PREPEND arguments "-dict=${dictionary}")
    endif()
  else()
    add_executable(${program} ${source} "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.c" ${ARG_SOURCES})
    set(arguments ${corpus})
  endif()
  target_compile_options(${program} PRIVATE ${WF_C_WARNINGS} -Wno-missing-prototypes)
  target_link_libraries(${program} PRIVATE ${ARG_LIBS} wf_base)
  set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/fuzz")
  add_test(NAME fuzz/${name} COMMAND ${program} ${arguments})
  wf_test_settings(fuzz/${name} fuzz 120)
  if(NOT TARGET fuzzers)
    add_custom_target(fuzzers)
  endif()
  add_dependencies(fuzzers ${program})
endfunction()
