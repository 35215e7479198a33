/* Pages and errors as stores write them, and what no store should send. */
#include "../unit.h"
#include "storage-s3/text.h"
#include "storage-s3/xml.h"

#include <stdio.h>
#include <string.h>

struct seen {
    char keys[512];
    uint64_t size;
    int64_t modified_ms;
    size_t count, stop_at;
};

static bool
note(void *arg, const struct s3_listed *item)
{
    struct seen *s = (struct seen *)arg;
    size_t used = strlen(s->keys);
    (void)snprintf(s->keys + used, sizeof(s->keys) - used, "%.*s|", (int)item->key_len, item->key);
    s->size = item->size;
    s->modified_ms = item->modified_ms;
    return ++s->count != s->stop_at;
}

static bool
page(const char *doc, struct s3_page *p, struct seen *s)
{
    *s = (struct seen){.stop_at = s->stop_at};
    return s3__xml_page(doc, strlen(doc), p, note, s);
}

static void
page__as_aws_writes_it__keys_sizes_times_and_token(void **state)
{
    (void)state;
    struct s3_page p;
    struct seen s = {0};
    assert_true(
        page("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
             "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
             "<Name>bucket</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>2</MaxKeys>"
             "<IsTruncated>true</IsTruncated>"
             "<NextContinuationToken>1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J=</NextContinuationToken>"
             "<Contents><Key>a/1</Key><LastModified>2009-10-12T17:50:30.250Z</LastModified>"
             "<ETag>&quot;fba9dede5f27731c9771645a39863328&quot;</ETag><Size>434234</Size>"
             "<Owner><ID>x</ID><DisplayName>Key</DisplayName></Owner>"
             "<StorageClass>STANDARD</StorageClass></Contents>"
             "<Contents><Key>a/2</Key><LastModified>2009-10-12T17:50:30Z</LastModified>"
             "<Size>0</Size></Contents>"
             "</ListBucketResult>\n",
             &p, &s));
    assert_true(p.is_truncated);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.token, "1ueGcxLPRx1Tr/XYExHnhbYLgveDs2J=");
    assert_string_equal(s.keys, "a/1|a/2|");
    assert_int_equal(s.modified_ms, 1255369830000);
    assert_int_equal(s3__time_ms("2009-10-12T17:50:30.250Z"), 1255369830250);
}

static void
page__entities_in_a_key__are_decoded(void **state)
{
    (void)state;
    struct s3_page p;
    struct seen s = {0};
    assert_true(page("<ListBucketResult><!-- <Contents> --><Contents><Size>1</Size>"
                     "<Key>a&amp;b&lt;&gt;&quot;&apos;&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</Key>"
                     "</Contents></ListBucketResult>",
                     &p, &s));
    assert_string_equal(s.keys, "a&b<>\"'AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80|");
    assert_false(p.is_truncated);
}

static void
page__empty_bucket__no_keys(void **state)
{
    (void)state;
    struct s3_page p;
    struct seen s = {0};
    assert_true(page("<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>"
                     "</ListBucketResult>",
                     &p, &s));
    assert_int_equal(p.count, 0);
    assert_true(page("<ListBucketResult/>", &p, &s));
}

static void
page__reader_has_enough__ends_the_walk(void **state)
{
    (void)state;
    struct s3_page p;
    struct seen s = {.stop_at = 1};
    assert_false(page("<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>"
                      "<Contents><Key>b</Key><Size>1</Size></Contents></ListBucketResult>",
                      &p, &s));
    assert_string_equal(s.keys, "a|");
}

static const char size_too_large[] =
    "<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999999</Size></Contents>"
    "</ListBucketResult>";
static const char too_deep[] =
    "<a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q/></p></o></n></m></l></k></j></i></h>"
    "</g></f></e></d></c></b></a>";

static void
page__hostile__is_refused(void **state)
{
    (void)state;
    static const char *const docs[] = {
        "",
        " ",
        "not xml",
        "<",
        "<ListBucketResult>",
        "<ListBucketResult",
        "</ListBucketResult>",
        "<ListBucketResult></ListBucketResult",
        "<ListBucketResult></listbucketresult>",
        "<ListBucketResult><Contents></ListBucketResult></Contents>",
        "<ListBucketResult/><ListBucketResult/>",
        "<html><body>login</body></html>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><ListBucketResult/>",
        "<ListBucketResult><![CDATA[x]]></ListBucketResult>",
        "<ListBucketResult>&unknown;</ListBucketResult>",
        "<ListBucketResult>&;</ListBucketResult>",
        "<ListBucketResult>&#;</ListBucketResult>",
        "<ListBucketResult>&#x;</ListBucketResult>",
        "<ListBucketResult>&#0;</ListBucketResult>",
        "<ListBucketResult>&#xD800;</ListBucketResult>",
        "<ListBucketResult>&#x110000;</ListBucketResult>",
        "<ListBucketResult>&#99999999999999999999;</ListBucketResult>",
        "<ListBucketResult>&amp",
        "<ListBucketResult a=\"></ListBucketResult>",
        "<ListBucketResult a=<b></ListBucketResult>",
        "<ListBucketResult><?pi?></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key></Key><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>1e9</Size></Contents></ListBucketResult>",
        size_too_large,
        too_deep};
    for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        struct s3_page p;
        struct seen s = {0};
        if (page(docs[i], &p, &s)) {
            fail_msg("was taken: %s", docs[i]);
        }
    }
}

static void
page__key_longer_than_any__is_refused(void **state)
{
    (void)state;
    char long_key[S3_XML_VALUE + 10];
    struct s3_text doc;
    struct s3_page p;
    struct seen s = {0};
    memset(long_key, 'k', sizeof(long_key));
    s3__text_init(&doc, 65536);
    s3__text_str(&doc, "<ListBucketResult><Contents><Size>1</Size><Key>");
    s3__text_add(&doc, long_key, sizeof(long_key));
    s3__text_str(&doc, "</Key></Contents></ListBucketResult>");
    assert_false(page(s3__text_cstr(&doc), &p, &s));
    s3__text_fini(&doc);
}

/* Every beginning of a good page is a broken page, and none is read beyond its end (ASan). */
static void
page__cut_off_anywhere__is_refused(void **state)
{
    (void)state;
    static const char doc[] =
        "<?xml version='1.0'?><ListBucketResult><IsTruncated>true</IsTruncated><Contents>"
        "<Key>a&#x41;</Key><Size>12</Size></Contents><!-- x --></ListBucketResult>";
    for (size_t n = 0; n < sizeof(doc) - 1; n++) {
        struct s3_page p;
        char *copy = (char *)test_malloc(n == 0 ? 1 : n); /* an overrun is seen */
        memcpy(copy, doc, n);
        assert_false(s3__xml_page(copy, n, &p, NULL, NULL));
        test_free(copy);
    }
    struct s3_page p;
    assert_true(s3__xml_page(doc, sizeof(doc) - 1, &p, NULL, NULL));
}

static void
error__as_stores_write_it__code_message_region_size(void **state)
{
    (void)state;
    struct s3_error_doc e;
    static const char doc[] =
        "<?xml version=\"1.0\"?><Error><Code>AuthorizationHeaderMalformed</Code><Message>the "
        "region 'a' is wrong; expecting 'b'</Message><Region>eu-west-1</Region>"
        "<ActualObjectSize>77</ActualObjectSize><RequestId>1</RequestId></Error>";
    s3__xml_error(doc, sizeof(doc) - 1, &e);
    assert_string_equal(e.code, "AuthorizationHeaderMalformed");
    assert_string_equal(e.message, "the region 'a' is wrong; expecting 'b'");
    assert_string_equal(e.region, "eu-west-1");
    assert_true(e.has_size);
    assert_int_equal(e.actual_size, 77);
}

static void
error__broken_or_not_one__is_empty(void **state)
{
    (void)state;
    static const char *const docs[] = {"", "<Error><Code>NoSuchKey</Code>",
                                       "<html><Code>NoSuchKey</Code></html>",
                                       "<Error><Code>NoSuchKey</Code></Error><Error/>"};
    for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        struct s3_error_doc e;
        s3__xml_error(docs[i], strlen(docs[i]), &e);
        assert_string_equal(e.code, "");
    }
}

static void
error__value_longer_than_its_field__is_cut(void **state)
{
    (void)state;
    struct s3_error_doc e;
    struct s3_text doc;
    s3__text_init(&doc, 65536);
    s3__text_str(&doc, "<Error><Code>");
    for (int i = 0; i < 3000; i++) {
        s3__text_char(&doc, 'c');
    }
    s3__text_str(&doc, "</Code></Error>");
    s3__xml_error(s3__text_cstr(&doc), doc.len, &e);
    assert_int_equal(strlen(e.code), sizeof(e.code) - 1);
    s3__text_fini(&doc);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page__as_aws_writes_it__keys_sizes_times_and_token),
        cmocka_unit_test(page__entities_in_a_key__are_decoded),
        cmocka_unit_test(page__empty_bucket__no_keys),
        cmocka_unit_test(page__reader_has_enough__ends_the_walk),
        cmocka_unit_test(page__hostile__is_refused),
        cmocka_unit_test(page__key_longer_than_any__is_refused),
        cmocka_unit_test(page__cut_off_anywhere__is_refused),
        cmocka_unit_test(error__as_stores_write_it__code_message_region_size),
        cmocka_unit_test(error__broken_or_not_one__is_empty),
        cmocka_unit_test(error__value_longer_than_its_field__is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
