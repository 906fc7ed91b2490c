#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "mooring/s3.h"
#include "src/objectstore/open.h"
#include "src/objectstore/s3/location.h"
#include "src/objectstore/s3/xml.h"
#include "tests/testing/status_matchers.h"

namespace mooring::objectstore {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

Environment Of(std::map<std::string, std::string> variables) {
  return [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? "" : found->second;
  };
}

absl::StatusOr<S3Location> Parse(std::string_view url,
                                 std::map<std::string, std::string> variables = {}) {
  return ParseS3Location(*ParseUrl(url), Of(std::move(variables)));
}

TEST(S3LocationTest, AmazonIsTheDefault) {
  ASSERT_OK_AND_ASSIGN(const S3Location location,
                       Parse("s3://orders", {{"AWS_REGION", "eu-west-1"}}));
  EXPECT_EQ(location.RequestHost(), "orders.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(location.RequestPath(), "/");
  EXPECT_EQ(location.scheme, "https");
  EXPECT_EQ(location.prefix, "");
  EXPECT_EQ(location.region, "eu-west-1");
}

TEST(S3LocationTest, EndpointIsAddressedByPathUnlessTold) {
  ASSERT_OK_AND_ASSIGN(S3Location location,
                       Parse("s3://orders/pod/0?endpoint=http://10.0.0.7:7480/&region=here"));
  EXPECT_EQ(location.RequestHost(), "10.0.0.7:7480");
  EXPECT_EQ(location.RequestPath(), "/orders/");
  EXPECT_EQ(location.prefix, "pod/0/");
  EXPECT_EQ(location.Name(), "s3://orders/pod/0/ at http://10.0.0.7:7480");
  ASSERT_OK_AND_ASSIGN(location, Parse("s3://orders?addressing=virtual&ca=/etc/ca.pem",
                                       {{"AWS_ENDPOINT_URL", "https://s3.example.org"}}));
  EXPECT_EQ(location.RequestHost(), "orders.s3.example.org");
  EXPECT_EQ(location.RequestPath(), "/");
  EXPECT_EQ(location.ca_file, "/etc/ca.pem");
}

TEST(S3LocationTest, WhatIsWrongIsSaid) {
  const auto says = [](std::string_view url, std::string_view what) {
    EXPECT_THAT(Parse(url),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("archive url s3://"), HasSubstr(std::string(what)))));
  };
  says("s3:///prefix", "the bucket's name");
  says("s3://buck et", "the bucket's name");
  says("s3://b//prefix", "empty part");
  says("s3://b?endpoint=10.0.0.7:7480", "http:// or https://");
  says("s3://b?endpoint=http://host/path", "without path");
  says("s3://b?addressing=dns", "path or virtual");
  says("s3://b?region=a/b", "region");
  says("s3://b?regoin=a", "regoin is not known; known are endpoint");
}

TEST(S3LocationTest, EnablingMakesTheSchemeKnown) {
  EnableS3();
  EnableS3();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<ObjectStore> store,
                       OpenObjectStore("s3://orders/pod-0?endpoint=http://127.0.0.1:1"));
  EXPECT_EQ(store->name(), "s3://orders/pod-0/ at http://127.0.0.1:1");
}

TEST(S3XmlTest, ListingIsParsed) {
  ASSERT_OK_AND_ASSIGN(
      const ListedPage page,
      ParseListing("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3\"><IsTruncated>true"
                   "</IsTruncated><Contents><Key>a&amp;b</Key><Size>12</Size></Contents><Contents>"
                   "<Key>c</Key><Size>0</Size></Contents></ListBucketResult>"));
  EXPECT_TRUE(page.truncated);
  ASSERT_EQ(page.objects.size(), 2);
  EXPECT_EQ(page.objects[0].key, "a&b");
  EXPECT_EQ(page.objects[0].size, 12);
}

TEST(S3XmlTest, HalfADocumentIsNoListing) {
  const std::string whole =
      "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>1</Size>"
      "</Contents></ListBucketResult>";
  ASSERT_OK(ParseListing(whole));
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseListing(whole.substr(0, size)), StatusIs(absl::StatusCode::kUnavailable))
        << size;
  }
}

TEST(S3XmlTest, EncodedKeysAreDecoded) {
  ASSERT_OK_AND_ASSIGN(
      const ListedPage page,
      ParseListing("<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false"
                   "</IsTruncated><Contents><Key>a%2Fb+c%2B%01%4</Key><Size>1</Size></Contents>"
                   "</ListBucketResult>"));
  EXPECT_EQ(page.objects.at(0).key, "a/b c+\x01%4");
}

TEST(S3XmlTest, ErrorCodeIsAWordOrNothing) {
  EXPECT_EQ(ParseErrorCode("<Error><Code>NoSuchKey</Code><Message>x</Message></Error>"),
            "NoSuchKey");
  EXPECT_EQ(ParseErrorCode("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
            "Throttling");
  EXPECT_THAT(ParseErrorCode("<Error><Code>secret: x</Code></Error>"), IsEmpty());
  EXPECT_THAT(ParseErrorCode("<html>nginx</html>"), IsEmpty());
  EXPECT_THAT(ParseErrorCode(""), IsEmpty());
}

TEST(S3XmlTest, CompletionNamesThePartsInOrder) {
  EXPECT_EQ(CompleteUploadBody({"\"a\"", "b"}),
            "<?xml version=\"1.0\"?><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"
            "\"a\"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>b</ETag></Part>"
            "</CompleteMultipartUpload>");
}

}  // namespace
}  // namespace mooring::objectstore
