# SPDX-License-Identifier: Apache-2.0
# cmake -DINPUT=x.proto -DOUTPUT=y.proto -P plain_proto.cmake: proto3 `optional` fields written as
# the one-member oneofs that they are on the wire, because protoc-c 1.4 refuses the word. Only the
# generated C sees the result; the embedded descriptors are those of the source.
file(READ "${INPUT}" text)
string(REGEX REPLACE "\n( *)optional ([a-z0-9]+) ([a-z_0-9]+) = ([0-9]+);"
  "\n\\1oneof \\3_presence { \\2 \\3 = \\4; }" text "${text}")
file(WRITE "${OUTPUT}" "${text}")
