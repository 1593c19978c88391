# SPDX-License-Identifier: Apache-2.0
# cmake -DINPUT=file -DOUTPUT=file.c -DNAME=symbol -P embed.cmake: the bytes of a file as C arrays
# `const unsigned char NAME[]` and `const size_t NAME_size`.
file(READ "${INPUT}" hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include <stddef.h>\nextern const unsigned char ${NAME}[];\n\
extern const size_t ${NAME}_size;\nconst unsigned char ${NAME}[] = {\n${bytes}\n};\n\
const size_t ${NAME}_size = ${size};\n")
