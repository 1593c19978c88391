# SPDX-License-Identifier: Apache-2.0
"""A client that nobody here wrote: Debian's python3-grpcio with stubs generated from the protos."""
import unittest

import grpc

from cluster import Cluster, compiled, generation


class ForeignClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(generation())

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def test_recommend(self):
        with self.cluster.stub() as (pb, service):
            answer = service.Recommend(
                pb.RecommendRequest(user={"id": "u5"}, k=7, attributes=["*"], explain=True), timeout=5)
            self.assertEqual(len(answer.hits), 7)
            self.assertEqual(answer.coverage.ratio, 1.0)
            self.assertTrue(answer.request_id and answer.versions.generation)
            self.assertTrue(all(hit.attributes for hit in answer.hits))

    def test_health(self):
        compiled()
        from grpc.health.v1 import health_pb2, health_pb2_grpc

        with grpc.insecure_channel(self.cluster.target) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            for service in ("", "weft.v1.RecommendService"):
                answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
                self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)
            with self.assertRaises(grpc.RpcError) as caught:
                stub.Check(health_pb2.HealthCheckRequest(service="moon"), timeout=5)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=""), timeout=5)
            self.assertEqual(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
            watch.cancel()

    def reflect(self, version):
        compiled()
        if version == "v1":
            from grpc.reflection.v1 import reflection_pb2 as pb, reflection_pb2_grpc as service
        else:
            from grpc.reflection.v1alpha import reflection_pb2 as pb, reflection_pb2_grpc as service
        with grpc.insecure_channel(self.cluster.target) as channel:
            stub = service.ServerReflectionStub(channel)
            asked = iter([pb.ServerReflectionRequest(list_services=""),
                          pb.ServerReflectionRequest(file_containing_symbol="weft.v1.RecommendService")])
            return list(stub.ServerReflectionInfo(asked, timeout=5))

    def test_reflection_lists_what_is_served(self):
        from google.protobuf import descriptor_pb2

        for version in ("v1", "v1alpha"):
            names, file = self.reflect(version)
            listed = {service.name for service in names.list_services_response.service}
            self.assertLessEqual({"weft.v1.RecommendService", "grpc.health.v1.Health"}, listed)
            parsed = [descriptor_pb2.FileDescriptorProto.FromString(data)
                      for data in file.file_descriptor_response.file_descriptor_proto]
            self.assertIn("weft/v1/recommend.proto", [one.name for one in parsed])
            methods = {method.name for one in parsed for service in one.service for method in service.method}
            self.assertLessEqual({"Recommend", "RecommendBatch", "UploadExclusions"}, methods)


if __name__ == "__main__":
    unittest.main(verbosity=2)
