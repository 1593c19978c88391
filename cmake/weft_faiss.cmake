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
