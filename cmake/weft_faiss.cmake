# SPDX-License-Identifier: Apache-2.0
# FAISS with its C interface, as deploy/bootstrap.sh installs it or as the machine has it.
#
#   Faiss::C    libfaiss_c and libfaiss, for shard/index_*.c:        #include <faiss/c_api/...>
#   Faiss::Cxx  libfaiss alone, for shard/faiss_params.cc:           #include <faiss/...>
#
# Programs get an rpath to PREFIX/lib; the loader looks into PREFIX/lib/glibc-hwcaps/ by itself.
set(wf_faiss_places $ENV{WEFT_FAISS_PREFIX} /opt/weft-faiss "$ENV{HOME}/.local/weft-faiss"
  /usr/local /usr)
find_path(WF_FAISS_INCLUDE faiss/c_api/Index_c.h
  PATHS ${wf_faiss_places} PATH_SUFFIXES include NO_DEFAULT_PATH)
find_library(WF_FAISS_LIBRARY faiss
  PATHS ${wf_faiss_places} PATH_SUFFIXES lib lib/x86_64-linux-gnu NO_DEFAULT_PATH)
find_library(WF_FAISS_C_LIBRARY faiss_c
  PATHS ${wf_faiss_places} PATH_SUFFIXES lib lib/x86_64-linux-gnu NO_DEFAULT_PATH)
if(NOT WF_FAISS_INCLUDE OR NOT WF_FAISS_LIBRARY OR NOT WF_FAISS_C_LIBRARY)
  message(FATAL_ERROR "libfaiss_c with its headers is nowhere under: ${wf_faiss_places}\n"
    "Run deploy/bootstrap.sh, or set WEFT_FAISS_PREFIX in the environment.")
endif()

add_library(Faiss::Cxx SHARED IMPORTED)
set_target_properties(Faiss::Cxx PROPERTIES
  IMPORTED_LOCATION "${WF_FAISS_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${WF_FAISS_INCLUDE}")
add_library(Faiss::C SHARED IMPORTED)
set_target_properties(Faiss::C PROPERTIES
  IMPORTED_LOCATION "${WF_FAISS_C_LIBRARY}"
  INTERFACE_INCLUDE_DIRECTORIES "${WF_FAISS_INCLUDE}"
  INTERFACE_LINK_LIBRARIES Faiss::Cxx)

# FAISS's headers want omp.h, which each compiler has of its own OpenMP runtime, clang often none at
# all. FAISS computes with GCC's runtime, so clang gets that header, alone of GCC's directory and
# without the argument of __malloc__, which is GCC's own. clang-tidy reads it in every build.
execute_process(COMMAND g++ -print-file-name=include/omp.h
  OUTPUT_VARIABLE wf_omp_header OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
file(READ "${wf_omp_header}" wf_omp_text)
string(REGEX REPLACE "__malloc__ [(][a-z_]+[)]" "__malloc__" wf_omp_text "${wf_omp_text}")
file(CONFIGURE OUTPUT "${CMAKE_BINARY_DIR}/openmp/omp.h" CONTENT "@wf_omp_text@" @ONLY)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  set_property(TARGET Faiss::Cxx APPEND PROPERTY
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_BINARY_DIR}/openmp")
endif()
