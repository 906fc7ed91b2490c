#include "src/objectstore/url.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "src/objectstore/open.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_directory.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using testing::StatusIs;

TEST(UrlTest, DirectoryIsParsed) {
  ASSERT_OK_AND_ASSIGN(const Url url, ParseUrl("file:///mnt/my%20archive/"));
  EXPECT_EQ(url.scheme, "file");
  EXPECT_EQ(url.authority, "");
  EXPECT_EQ(url.path, "/mnt/my archive");
  EXPECT_EQ(ToString(url), "file:///mnt/my archive");
}

TEST(UrlTest, BucketIsParsed) {
  ASSERT_OK_AND_ASSIGN(
      const Url url,
      ParseUrl("S3://orders-state/pod-0/a?endpoint=http%3A//10.0.0.7:7480&addressing=path"));
  EXPECT_EQ(url.scheme, "s3");
  EXPECT_EQ(url.authority, "orders-state");
  EXPECT_EQ(url.path, "/pod-0/a");
  EXPECT_THAT(url.parameters,
              ElementsAre(Pair("addressing", "path"), Pair("endpoint", "http://10.0.0.7:7480")));
}

TEST(UrlTest, WhatIsWrongIsSaid) {
  const auto says = [](std::string_view url, std::string_view what) {
    EXPECT_THAT(ParseUrl(url),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(std::string(what)), HasSubstr(std::string(url)),
                               HasSubstr("file:///mnt/archive"))));
  };
  says("", "scheme");
  says("/mnt/archive", "scheme");
  says("://bucket", "scheme");
  says("s3://bucket/%zz", "hexadecimal");
  says("s3://bucket/a%0ab", "control character");
  says("s3://bucket?endpoint", "name=value");
  says("s3://bucket?=x", "name=value");
  says("s3://bucket?region=a&region=b", "region is given twice");
}

TEST(UrlTest, CredentialsAreRefusedAndNotRepeated) {
  for (const char* url :
       {"s3://key:hunter2@bucket/prefix", "s3://bucket?endpoint=http://k:hunter2@h",
        "s3://key:hunter2%40bucket/prefix"}) {
    EXPECT_THAT(ParseUrl(url),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("environment"), Not(HasSubstr("hunter2")))));
  }
}

TEST(OpenObjectStoreTest, DirectoryIsOpened) {
  testing::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<ObjectStore> store,
                       OpenObjectStore(absl::StrCat("file://", directory.path(), "/archive")));
  EXPECT_EQ(store->name(), directory.File("archive"));
}

TEST(OpenObjectStoreTest, WhatCannotBeOpenedIsExplained) {
  EXPECT_THAT(OpenObjectStore("file://mnt/archive"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("three '/'")));
  EXPECT_THAT(OpenObjectStore("file:///mnt/archive?sync=no"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("without parameters")));
  EXPECT_THAT(OpenObjectStore("gs://bucket"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("gs is not known")));
  EXPECT_THAT(OpenObjectStore("s3://bucket"),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("mooring::EnableS3()")));
}

}  // namespace
}  // namespace mooring::objectstore
