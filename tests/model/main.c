// SPDX-License-Identifier: MIT
//
// The schedule explorer's program. Prints TAP: a line for each scenario, with the number of
// executions and what they cover.

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore.h"

static const char help[] =
    "usage: model [OPTION]... [PREFIX]...\n"
    "Explores the scenarios whose names begin with a PREFIX; without one, all.\n"
    "\n"
    "  --list               name the scenarios and what each claims\n"
    "  --executions N       search at most N executions of each (default 15000)\n"
    "  --random N           then N random ones (default 2000)\n"
    "  --seed N             of the random ones (default 1)\n"
    "  --jobs N             share the scenarios among N processes (default 1)\n"
    "  --replays DIR        write a file there for each failure, for --replay\n"
    "  --replay FILE        run one failing execution again and print its trace\n"
    "  --sites FILE         append the atomic accesses that were reached, by scenario\n"
    "  --weaken PC,..:S:O   use order O at these calls; S is 1 for the order of a failure\n"
    "  --quiet              print no traces; stop at the first failure\n";

struct options {
    struct plan plan;
    const char *replay;
    const char *replays;
    const char *sites;
    int jobs;
    bool list;
};

_Noreturn static void refuse(const char *what)
{
    fprintf(stderr, "model: %s\n%s", what, help);
    exit(2);
}

static void parse(struct options *options, int argc, char **argv)
{
    static const struct option longs[] = {
        {"list", no_argument, NULL, 'l'},          {"executions", required_argument, NULL, 'e'},
        {"random", required_argument, NULL, 'r'},  {"seed", required_argument, NULL, 's'},
        {"jobs", required_argument, NULL, 'j'},    {"replay", required_argument, NULL, 'p'},
        {"replays", required_argument, NULL, 'd'}, {"sites", required_argument, NULL, 'i'},
        {"weaken", required_argument, NULL, 'w'},  {"quiet", no_argument, NULL, 'q'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct options){.plan = {.executions_max = 15000, .random_runs = 2000, .seed = 1},
                                .jobs = 1};
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (option) {
        case 'l':
            options->list = true;
            break;
        case 'e':
            options->plan.executions_max = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'r':
            options->plan.random_runs = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            options->plan.seed = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            options->replay = optarg;
            break;
        case 'd':
            options->replays = optarg;
            break;
        case 'i':
            options->sites = optarg;
            break;
        case 'w':
            if (!site_weaken(optarg)) refuse("--weaken wants PC,PC,...:SLOT:ORDER");
            break;
        case 'j':
            options->jobs = atoi(optarg);
            if (options->jobs < 1) refuse("--jobs wants a number above 0");
            break;
        case 'q':
            options->plan.quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(0);
        default:
            refuse("no such option");
        }
    }
}

static bool is_wanted(const char *name, char **prefixes)
{
    if (*prefixes == NULL) return true;
    for (; *prefixes != NULL; prefixes++) {
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) return true;
    }
    return false;
}

static const char *coverage(const struct result *result, char *buf, size_t size)
{
    if (result->complete) return "every order";
    if (result->preemptions < 0) return "not every order without preemption";
    (void)snprintf(buf, size, "every order of up to %d preemptions", result->preemptions);
    return buf;
}

static bool run_scenario(const struct model_scenario *scenario, struct options *options, int number)
{
    char replay_file[600];
    char buf[80];

    if (options->replays != NULL) {
        (void)snprintf(replay_file, sizeof replay_file, "%s/%s.replay", options->replays,
                       scenario->name);
        options->plan.replay_file = replay_file;
    }
    site_hits_forget();
    struct plan plan = options->plan;

    plan.quiet |= scenario->must_fail != NULL;
    struct result result = explore(scenario, &plan);

    if (scenario->must_fail != NULL) {
        bool found = result.failed && strstr(run.message, scenario->must_fail) != NULL;

        printf("%sok %d - %s: %s (after %u executions: %s)\n", found ? "" : "not ", number,
               scenario->name, scenario->about, result.executions,
               result.failed ? run.message : "not found");
        return found;
    }
    printf("%sok %d - %s: %s (%u executions and %u cut short; %s; %u random; depth %u)\n",
           result.failed ? "not " : "", number, scenario->name, scenario->about, result.executions,
           result.pruned, coverage(&result, buf, sizeof buf), result.random, result.longest_path);
    (void)fflush(stdout);
    if (options->sites != NULL && !site_hits_write(options->sites, scenario->name)) {
        refuse("cannot write to the file of sites");
    }
    return !result.failed;
}

// The code under test went astray: that is a failure like any other.
static void astray(int number)
{
    if (!run.live) _Exit(2);
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, number);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    model_fail("the program received signal %d", number);
}

static void catch_faults(void)
{
    static char stack[64 << 10];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = astray, .sa_flags = SA_ONSTACK | SA_NODEFER};

    (void)sigaltstack(&alternate, NULL);
    (void)sigaction(SIGSEGV, &action, NULL);
    (void)sigaction(SIGBUS, &action, NULL);
    (void)sigaction(SIGFPE, &action, NULL);
}

static int replay_and_report(const char *file)
{
    bool failed;

    if (!replay(file, &failed)) refuse("cannot read the replay file");
    return failed ? 1 : 0;
}

// One scenario in `jobs`, beginning with number `share`. Returns the exit status.
static int run_share(struct options *options, char **prefixes, int share)
{
    bool all_passed = true;
    int number = 0;

    for (int i = 0; model_scenario_files[i] != NULL; i++) {
        for (const struct model_scenario *s = model_scenario_files[i]; s->name != NULL; s++) {
            if (!is_wanted(s->name, prefixes) || number++ % options->jobs != share) continue;
            if (options->list) {
                printf("%-28s %s\n", s->name, s->about);
            } else if (!run_scenario(s, options, number)) {
                all_passed = false;
                if (options->plan.quiet) return 1;
            }
        }
    }
    if (number == 0) refuse("no scenario has such a name");
    if (!options->list && share == 0) printf("1..%d\n", number);
    return all_passed ? 0 : 1;
}

static int run_all(struct options *options, char **prefixes)
{
    int status = 0;
    int theirs;

    for (int share = 1; share < options->jobs; share++) {
        (void)fflush(stdout);
        if (fork() == 0) exit(run_share(options, prefixes, share));
    }
    status = run_share(options, prefixes, 0);
    while (wait(&theirs) > 0) status |= !WIFEXITED(theirs) || WEXITSTATUS(theirs) != 0;
    return status;
}

int main(int argc, char **argv)
{
    struct options options;

    parse(&options, argc, argv);
    shadow_init();
    memory_init();
    seam_install();
    catch_faults();
    if (options.replay != NULL) return replay_and_report(options.replay);
    return run_all(&options, argv + optind);
}
