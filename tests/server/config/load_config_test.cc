// What an operator meets: precedence, the two forms of a file, every mistake told at once, and the commands.
#include "server/config/load_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config/schema.h"
#include "server/config/setting_value.h"
#include "server/model/limits.h"
#include "tests/server/config/config_test_util.h"
#include "tests/support/subprocess.h"

namespace eplb {
namespace {

using config::v1::ServerConfig;
using ::testing::AllOf;
using testing::ConfigMachine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> Lines(const std::string& text) { return absl::StrSplit(text, '\n', absl::SkipEmpty()); }

TEST(LoadConfig, NothingGivenIsTheDefaults) {
  const ServerConfig config = ConfigMachine().Proto({});
  EXPECT_EQ(config.grpc().listen_address(), "127.0.0.1:50051");
  EXPECT_EQ(config.logging().level(), config::v1::LOG_LEVEL_INFO);
  EXPECT_EQ(config.planner().inter_node_bytes_per_second(), 20e9);
  EXPECT_EQ(ToAbslDuration(config.drain().timeout()), absl::Seconds(20));
}

TEST(LoadConfig, EverySettingIsSet) {
  ServerConfig config = ConfigMachine().Proto({});
  for (const ConfigLeaf& leaf : ConfigLeaves()) {
    if (leaf.field().is_repeated()) continue;
    google::protobuf::Message& parent = MutableParent(config, leaf);
    EXPECT_TRUE(parent.GetReflection()->HasField(parent, &leaf.field())) << leaf.path;
  }
}

TEST(LoadConfig, FlagsWinOverTheFileAndTheFileOverTheDefaults) {
  ConfigMachine machine;
  machine.File("a.textproto", "grpc { max_threads: 3 max_concurrent_streams: 7 }");
  const ServerConfig config = machine.Proto({"--grpc.max_threads=5", "--config", "a.textproto"});
  EXPECT_EQ(config.grpc().max_threads(), 5);
  EXPECT_EQ(config.grpc().max_concurrent_streams(), 7);
  EXPECT_EQ(config.grpc().max_message_bytes(), 16 << 20);
}

TEST(LoadConfig, OfEqualFlagsTheLastCounts) {
  EXPECT_EQ(ConfigMachine().Proto({"--grpc.max_threads=5", "--grpc.max_threads=6"}).grpc().max_threads(), 6);
}

TEST(LoadConfig, FlagsTakeTheirValueEitherWay) {
  const ServerConfig config = ConfigMachine().Proto(
      {"--drain.timeout", "1.5s", "--drain.delay=250ms", "--grpc.channelz", "--grpc.reflection=false",
       "--logging.level=warning", "--planner.hysteresis_ratio", "2.5e-1", "--metrics.listen_address="});
  EXPECT_EQ(ToAbslDuration(config.drain().timeout()), absl::Milliseconds(1500));
  EXPECT_EQ(ToAbslDuration(config.drain().delay()), absl::Milliseconds(250));
  EXPECT_TRUE(config.grpc().channelz());
  EXPECT_FALSE(config.grpc().reflection());
  EXPECT_EQ(config.logging().level(), config::v1::LOG_LEVEL_WARNING);
  EXPECT_EQ(config.planner().hysteresis_ratio(), 0.25);
  EXPECT_EQ(config.metrics().listen_address(), "");
}

TEST(LoadConfig, TextprotoAndJsonSayTheSame) {
  ConfigMachine machine;
  machine.File("a.textproto", R"(
    # A comment.
    grpc { listen_address: "127.0.0.1" ":1" keepalive_interval { seconds: 5 nanos: 500000000 } reflection: false }
    logging: { level: LOG_LEVEL_DEBUG, format: json };
    planner { hysteresis_ratio: 5e-1 work_limit: 9 }
    telemetry { report_interval: "2s" }
  )");
  machine.File("a.json", R"({
    "grpc": {"listenAddress": "127.0.0.1:1", "keepalive_interval": "5.5s", "reflection": false},
    "logging": {"level": "debug", "format": "LOG_FORMAT_JSON"},  // A comment.
    "planner": {"hysteresisRatio": 0.5, "workLimit": "9", "threads": null},
    "telemetry": {"reportInterval": "2s"}
  })");
  const ServerConfig text = machine.Proto({"--config=a.textproto"});
  EXPECT_EQ(text.SerializeAsString(), machine.Proto({"--config=a.json"}).SerializeAsString());
  EXPECT_EQ(ToAbslDuration(text.grpc().keepalive_interval()), absl::Milliseconds(5500));
  EXPECT_EQ(text.logging().format(), config::v1::LOG_FORMAT_JSON);
}

TEST(LoadConfig, AFileWithoutAnEndingIsKnownByItsFirstCharacter) {
  ConfigMachine machine;
  machine.File("json", "\n {\"grpc\": {\"max_threads\": 4}}").File("text", "grpc { max_threads: 4 }");
  EXPECT_EQ(machine.Proto({"--config=json"}).grpc().max_threads(), 4);
  EXPECT_EQ(machine.Proto({"--config=text"}).grpc().max_threads(), 4);
}

TEST(LoadConfig, AuthorizationRulesComeFromAFile) {
  ConfigMachine machine;
  machine.File("ca", "x").File("a.textproto", R"(
    tls { certificate_file: "ca" private_key_file: "ca" client_ca_file: "ca" }
    authorization {
      enabled: true
      rules { identity: "spiffe://cluster/worker/*" role: ROLE_WORKER deployment_prefix: "team-a/" }
      rules: [{ identity: "*" role: viewer }]
    })");
  const ServerConfig config = machine.Proto({"--config=a.textproto"});
  ASSERT_EQ(config.authorization().rules_size(), 2);
  EXPECT_EQ(config.authorization().rules(0).role(), config::v1::ROLE_WORKER);
  EXPECT_EQ(config.authorization().rules(1).identity(), "*");
}

TEST(LoadConfig, EveryMistakeOfFlagsFileAndRulesIsToldAtOnce) {
  ConfigMachine machine;
  machine.File("bad.json", R"({
  "grpc": {"max_threads": "x", "keepalive_interval": 5, "foo": 1},
  "loging": {},
  "telemetry": {"report_interval": "90s"}
})");
  const auto loaded = machine.Load({"--config=bad.json", "--grpc.listen_adress=1", "stray", "--drain.delay",
                                    "--planner.policy=best", "--limits.max_work=-3", "--tls.private_key_file=/nope",
                                    "--authorization.rules=x", "--authorization.enabled"});
  const auto& exit = std::get<ExitRequest>(loaded);
  EXPECT_EQ(exit.code, 2);
  EXPECT_THAT(
      Lines(exit.complaint),
      ElementsAre("eplb-server: the configuration is wrong:",
                  "--grpc.listen_adress: unknown flag; did you mean --grpc.listen_address?",
                  "argument: \"stray\": must be a flag; see --help", "--drain.delay: lacks its value",
                  "--authorization.rules: can be set only in the file given by --config",
                  "bad.json:2:27: grpc.max_threads: \"x\": must be a whole number from 0 to 1024",
                  "bad.json:2:54: grpc.keepalive_interval: \"5\": must be a duration as in 1.5s from 1s to 7200s",
                  "bad.json:2:57: grpc.foo: unknown setting",
                  "bad.json:3:3: loging: unknown setting; did you mean \"logging\"?",
                  "--planner.policy: \"best\": must be one of auto, hierarchical, global, optimized",
                  "--limits.max_work: \"-3\": must be a whole number of moves, at least 1",
                  "tls.certificate_file: must be given together with tls.private_key_file",
                  "tls.private_key_file: \"/nope\": cannot be read: No such file or directory",
                  "authorization.enabled: \"true\": needs tls.client_ca_file, without which nobody has an identity",
                  "telemetry.max_report_interval: \"60s\": must be at least telemetry.report_interval, which is 90s"));
}

struct Mistake {
  const char* name;
  std::vector<std::string> arguments;
  const char* complaint;
};

class OneMistake : public ::testing::TestWithParam<Mistake> {};

TEST_P(OneMistake, IsRefusedAndNamed) {
  ConfigMachine machine;
  machine.File("file", "x").File("empty", "");
  EXPECT_THAT(machine.Complaint(GetParam().arguments), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    LoadConfig, OneMistake,
    ::testing::Values(
        Mistake{"unknown_flag_far_from_all", {"--zzzzzzzzzzzz"}, "--zzzzzzzzzzzz: unknown flag; see --help"},
        Mistake{"last_part_of_a_path", {"--max_threads=1"}, "did you mean --grpc.max_threads?"},
        Mistake{"single_dash", {"-v"}, "argument: \"-v\": must be a flag"},
        Mistake{"value_that_is_a_flag", {"--drain.delay", "--grpc.channelz"}, "--drain.delay: lacks its value"},
        Mistake{"config_without_value", {"--config"}, "--config: lacks its value"},
        Mistake{"config_that_is_not_there", {"--config=nope"}, "--config: \"nope\": cannot be read: No such file"},
        Mistake{"empty_number", {"--grpc.max_threads="}, "--grpc.max_threads: \"(empty)\": must be a whole number"},
        Mistake{"octal_number", {"--grpc.max_threads=010"}, "must be a whole number from 0 to 1024"},
        Mistake{"above_the_bound", {"--grpc.max_threads=1025"}, "from 0 to 1024"},
        Mistake{"below_the_bound", {"--grpc.max_threads=-1"}, "from 0 to 1024"},
        Mistake{"past_int64", {"--limits.max_work=99999999999999999999"}, "must be a whole number of moves"},
        Mistake{"not_a_number", {"--planner.hysteresis_ratio=nan"}, "must be a number from 0 to 1000"},
        Mistake{"infinite_number", {"--planner.hysteresis_ratio=inf"}, "must be a number from 0 to 1000"},
        Mistake{"infinite_duration", {"--drain.delay=inf"}, "must be a duration"},
        Mistake{"duration_without_unit", {"--drain.delay=3"}, "must be a duration as in 1.5s"},
        Mistake{"negative_duration", {"--drain.delay=-1s"}, "from 0s to 600s"},
        Mistake{"boolean_one", {"--grpc.channelz=1"}, "must be true or false"},
        Mistake{"unspecified_level", {"--logging.level=unspecified"}, "must be one of trace, debug, info"},
        Mistake{"control_character", {"--tls.client_ca_file=a\nb"}, "\"a?b\": must be the path"},
        Mistake{"malformed_utf8", {"--process.ready_file=\xff"}, "must be printable text"},
        Mistake{"address_without_port", {"--grpc.listen_address=localhost"}, "must be an address"},
        Mistake{"no_address", {"--grpc.listen_address="}, "grpc.listen_address: must be given"},
        Mistake{"model_bound", {"--limits.max_layers=257"}, "from 1 to 256"},
        Mistake{
            "remote_plaintext", {"--grpc.listen_address=0.0.0.0:1"}, "is open to other machines without encryption"},
        Mistake{"remote_plaintext_ipv6", {"--grpc.listen_address=[::]:1"}, "is open to other machines"},
        Mistake{"one_port_twice",
                {"--grpc.listen_address=127.0.0.1:7", "--metrics.listen_address=127.0.0.1:7"},
                "metrics.listen_address: \"127.0.0.1:7\": must differ"},
        Mistake{"certificate_without_key", {"--tls.certificate_file=file"}, "tls.private_key_file: must be given"},
        Mistake{"key_without_certificate", {"--tls.private_key_file=file"}, "tls.certificate_file: must be given"},
        Mistake{"client_ca_without_certificate", {"--tls.client_ca_file=file"}, "needs tls.certificate_file"},
        Mistake{"empty_certificate",
                {"--tls.certificate_file=empty", "--tls.private_key_file=file"},
                "tls.certificate_file: \"empty\": is an empty file"},
        Mistake{"authorization_without_identities", {"--authorization.enabled"}, "needs tls.client_ca_file"},
        Mistake{
            "quota_below_a_message", {"--grpc.memory_quota_bytes=1"}, "must be 0 or at least grpc.max_message_bytes"},
        Mistake{"backoff_order",
                {"--planner.rejection_backoff=100s", "--planner.max_rejection_backoff=10s"},
                "planner.max_rejection_backoff: \"10s\": must be at least planner.rejection_backoff"}),
    [](const auto& tested) { return std::string(tested.param.name); });

struct BadFile {
  const char* name;
  const char* content;
  const char* complaint;
};

class OneBadFile : public ::testing::TestWithParam<BadFile> {};

TEST_P(OneBadFile, IsRefusedAtItsPlace) {
  ConfigMachine machine;
  machine.File("f", GetParam().content);
  EXPECT_THAT(machine.Complaint({"--config=f"}), HasSubstr(GetParam().complaint));
}

INSTANTIATE_TEST_SUITE_P(
    LoadConfig, OneBadFile,
    ::testing::Values(
        BadFile{"text_unclosed", "grpc {", "f:1:7: expected \"}\", found the end of the file"},
        BadFile{"text_stray_brace", "}", "f:1:1: expected the name of a setting, found \"}\""},
        BadFile{"text_no_value", "grpc { max_threads: }", "f:1:21: expected a number, found \"}\""},
        BadFile{"text_no_colon", "grpc { max_threads 3 }", "f:1:20: expected \":\" or \"{\", found \"3\""},
        BadFile{"text_open_string", "grpc { listen_address: \"a\n }", "syntax: String literals cannot cross line"},
        BadFile{"text_twice", "drain {}\ngrpc { max_threads: 1\nmax_threads: 2 }",
                "f:3:1: grpc.max_threads: given twice"},
        BadFile{"text_section_as_value", "grpc: 3", "f:1:7: grpc: must be a section of settings in braces"},
        BadFile{"text_value_as_section", "grpc { max_threads { } }",
                "f:1:20: grpc.max_threads: must be a whole number"},
        BadFile{"text_dotted_key", "grpc.max_threads: 3", "f:1:5: expected \":\" or \"{\""},
        BadFile{"text_duration_key", "drain { delay { secs: 3 } }", "f:1:17: drain.delay.secs: unknown setting"},
        BadFile{"text_bad_rule", "authorization { rules: [[3]] }", "f:1:25: authorization.rules: must be a section"},
        BadFile{"rule_without_identity", "authorization { rules { role: ROLE_VIEWER } }",
                "authorization.rules[0].identity: must be given"},
        BadFile{"rule_with_star_inside", "authorization { rules { identity: \"a*b\" role: viewer } }",
                "authorization.rules[0].identity: \"a*b\": may hold '*' only at its end"},
        BadFile{"rule_without_role", "authorization { rules { identity: \"a\" } }",
                "authorization.rules[0].role: must be viewer, worker or controller"},
        BadFile{"rules_out_of_force", "authorization { rules { identity: \"a\" role: viewer } }",
                "authorization.rules: need authorization.enabled"},
        BadFile{"json_trailing_comma", "{\"grpc\": {\"max_threads\": 3,}}", "f:1:28: expected a key in double quotes"},
        BadFile{"json_single_quotes", "{'grpc': {}}", "f:1:2: expected a key in double quotes"},
        BadFile{"json_two_values", "{} {}", "f:1:4: expected the end of the file"},
        BadFile{"json_word", "{\"grpc\": {\"max_threads\": nil}}", "f:1:26: expected a value, found \"nil\""},
        BadFile{"json_hex", "{\"grpc\": {\"max_threads\": 0x10}}", "must be a whole number"},
        BadFile{"json_nul", "{\"grpc\": {\"listen_address\": \"a\\u0000b\"}}", "must be an address"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST(LoadConfig, ASyntaxErrorIsOneComplaint) {
  for (const char* content :
       {"grpc {", "grpc { max_threads: }", "}", "{\"grpc\": {\"max_threads\": }}", "{\"grpc\": {,}}", "["}) {
    ConfigMachine machine;
    machine.File("f", content);
    EXPECT_EQ(Lines(machine.Complaint({"--config=f"})).size(), 2U) << content;
  }
}

TEST(LoadConfig, NestingIsBounded) {
  std::string deep_json = "{\"grpc\":";
  std::string deep_text = "grpc ";
  for (int i = 0; i < 100'000; ++i) deep_json += "[";
  for (int i = 0; i < 100'000; ++i) deep_text += "{ grpc";
  ConfigMachine machine;
  machine.File("j", deep_json).File("t", deep_text);
  EXPECT_THAT(machine.Complaint({"--config=j"}), HasSubstr("nested too deep"));
  EXPECT_THAT(machine.Complaint({"--config=t"}), HasSubstr("nested too deep"));
}

TEST(LoadConfig, ComplaintsAreBounded) {
  std::string content;
  for (int i = 0; i < 10'000; ++i) absl::StrAppend(&content, "unknown_", i, ": 1\n");
  ConfigMachine machine;
  machine.File("f", content);
  const std::string complaint = machine.Complaint({"--config=f"});
  EXPECT_LT(complaint.size(), 20'000U);
  EXPECT_THAT(complaint, HasSubstr("and 9900 more\n"));
}

TEST(LoadConfig, ControlCharactersNeverReachTheTerminal) {
  ConfigMachine machine;
  machine.File("f", "{\"\\u001b[2Jx\": 1, \"grpc\": {\"listen_address\": \"\\u001b]0;x\\u0007\"}}");
  const std::string complaint = machine.Complaint({"--config=f", "--\x1b[31m", "\x07"});
  for (const char c : complaint) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << complaint;
}

TEST(LoadConfig, HelpNamesEverySettingWithItsBoundsAndDefault) {
  const auto loaded = ConfigMachine().Load({"--nonsense", "--help"});
  const auto& exit = std::get<ExitRequest>(loaded);
  EXPECT_EQ(exit.code, 0);
  for (const ConfigLeaf& leaf : ConfigLeaves()) {
    const std::string name = leaf.setting->file_only() ? leaf.path + " (only in the file)" : "--" + leaf.path + "\n";
    EXPECT_THAT(exit.output, HasSubstr(name));
    EXPECT_FALSE(leaf.setting->help().empty()) << leaf.path;
  }
  EXPECT_THAT(exit.output, AllOf(HasSubstr("--config FILE"), HasSubstr("--check-config"), HasSubstr("--print-config"),
                                 HasSubstr("--version"), HasSubstr("Exit codes")));
  EXPECT_THAT(exit.output, HasSubstr("A whole number of bytes from 65536 to 268435456. Default: 16777216."));
  for (const std::string& line : Lines(exit.output)) EXPECT_LE(line.size(), 100U) << line;
}

TEST(LoadConfig, VersionWinsOverMistakes) {
  const auto loaded = ConfigMachine().Load({"--nonsense", "--version"});
  EXPECT_THAT(std::get<ExitRequest>(loaded).output, ::testing::MatchesRegex("eplb-server [0-9.]+ \\([0-9a-z]+\\)\n"));
}

TEST(LoadConfig, CheckConfigTellsWhetherItIsRight) {
  ConfigMachine machine;
  machine.File("good", "drain { delay: \"1s\" }").File("bad", "drain { delay: \"x\" }");
  EXPECT_EQ(std::get<ExitRequest>(machine.Load({"--check-config", "--config=good"})).code, 0);
  EXPECT_EQ(std::get<ExitRequest>(machine.Load({"--check-config", "--config=bad"})).code, 2);
}

TEST(LoadConfig, WhatPrintConfigPrintsIsTheSameConfigurationAgain) {
  ConfigMachine machine;
  const std::vector<std::string> arguments = {"--drain.delay=1.25s", "--logging.level=error",
                                              "--planner.hysteresis_ratio=0.125"};
  std::vector<std::string> printing = arguments;
  printing.push_back("--print-config");
  machine.File("printed.textproto", std::get<ExitRequest>(machine.Load(printing)).output);
  EXPECT_EQ(machine.Proto({"--config=printed.textproto"}).SerializeAsString(),
            machine.Proto(arguments).SerializeAsString());
}

TEST(LoadConfig, NoLimitIsAboveTheModels) {
  const std::map<std::string, int> bounds = {{"limits.max_layers", kMaxLayers},
                                             {"limits.max_experts", kMaxExperts},
                                             {"limits.max_slots", kMaxSlots},
                                             {"limits.max_gpus", kMaxGpus},
                                             {"limits.max_samples", kMaxSamples}};
  for (const auto& [path, bound] : bounds) EXPECT_EQ(FindConfigLeaf(path)->setting->max(), bound) << path;
}

TEST(ReadSmallFile, ReadsAFileAndSaysWhyItCannot) {
  testing::TemporaryDirectory directory;
  EXPECT_EQ(*ReadSmallFile(directory.Write("a", "content")), "content");
  EXPECT_THAT(std::string(ReadSmallFile(directory.Path("b")).status().message()), HasSubstr("No such file"));
  EXPECT_THAT(std::string(ReadSmallFile(directory.Path(".")).status().message()), HasSubstr("Is a directory"));
  EXPECT_THAT(std::string(ReadSmallFile(directory.Write("c", std::string((1 << 20) + 1, 'x'))).status().message()),
              HasSubstr("larger than 1048576 bytes"));
}

}  // namespace
}  // namespace eplb
