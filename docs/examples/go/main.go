// Command ask asks a Tollgate node with nothing but its published .proto files.
//
// README.md says how its package tollgatev1 is generated. It checks once, checks again with one
// idempotency key twice, reserves for a cost that is known only afterwards, commits the real one,
// and goes on until it is denied.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/ask/tollgatev1"
)

// timeout is for all calls together; a node that is away is told within it.
const timeout = 10 * time.Second

func main() {
	target := flag.String("target", "localhost:8081", "the node's decide listener")
	limit := flag.String("limit", "demo", "a limit of its tollgate.yaml")
	values := map[string]string{}
	flag.Func("value", "KEY=VALUE for each key that the limit counts by", func(text string) error {
		key, value, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("expected KEY=VALUE")
		}
		values[key] = value
		return nil
	})
	flag.Parse()
	if err := run(*target, *limit, values); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(target, limit string, values map[string]string) error {
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	named := &tollgatev1.NamedLimit{Name: limit, Values: values}
	subject := &tollgatev1.Subject{Kind: &tollgatev1.Subject_Limit{Limit: named}}
	return ask(ctx, tollgatev1.NewDecisionsClient(connection), subject)
}

func ask(ctx context.Context, tollgate tollgatev1.DecisionsClient, subject *tollgatev1.Subject) error {
	check := func(word, key string) (bool, error) {
		request := &tollgatev1.CheckRequest{Subject: subject, IdempotencyKey: key}
		answer, err := tollgate.Check(ctx, request)
		if err != nil {
			return false, err
		}
		show(word, answer)
		return answer.GetVerdict() == tollgatev1.Verdict_VERDICT_ALLOWED, nil
	}
	key := rand.Text()
	for _, one := range [][2]string{{"check", ""}, {"check with a key", key}, {"the same again", key}} {
		if _, err := check(one[0], one[1]); err != nil {
			return err
		}
	}

	reserve := &tollgatev1.ReserveRequest{Subject: subject, Hits: ptr(uint64(3))}
	reserved, err := tollgate.Reserve(ctx, reserve)
	if err != nil {
		return err
	}
	show("reserve 3", reserved.GetDecision())
	if reserved.GetReservation() != "" {
		commit := &tollgatev1.CommitRequest{Reservation: reserved.GetReservation(), Hits: 1}
		committed, err := tollgate.Commit(ctx, commit)
		if err != nil {
			return err
		}
		left := committed.GetStatuses()[0].GetRemaining()
		fmt.Printf("commit 1: %d spent, %d left\n", committed.GetCharged(), left)
	}

	for {
		allowed, err := check("check", "")
		if err != nil || !allowed {
			return err
		}
	}
}

// show tells an answer. VERDICT_UNSPECIFIED, which a broken one would have, is not an allowance.
func show(word string, answer *tollgatev1.CheckResponse) {
	if answer.GetVerdict() == tollgatev1.Verdict_VERDICT_ALLOWED {
		fmt.Printf("%s: allowed, %d left\n", word, answer.GetStatuses()[0].GetRemaining())
		return
	}
	fmt.Printf("%s: denied, again in %.0f s\n", word, answer.GetRetryAfter().AsDuration().Seconds())
}

func ptr[T any](value T) *T { return &value }
