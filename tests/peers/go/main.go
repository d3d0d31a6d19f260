// work DRIVER: pgx or pq; where to connect to is in PGHOST and the like.
package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/lib/pq"
)

const big = "SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 20000) i"

var failing = []string{"SELECT 1/0", "SELECT * FROM nowhere", "INSERT INTO made (n) VALUES (-1)", "SELEC 1"}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func tellPgx(what string, err error) {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		e.Line = 0
		fmt.Printf("%s %+v\n", what, *e)
	} else {
		fmt.Println(what, err)
	}
}

func withPgx() {
	ctx := context.Background()
	config, err := pgx.ParseConfig("")
	must(err)
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Println("notice", n.Severity, n.Code, n.Message, n.Detail, n.Hint) }
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		rows, err := c.Query(ctx, "SELECT * FROM typed WHERE id <= $1 ORDER BY id", mode, 2)
		must(err)
		for rows.Next() {
			values, err := rows.Values()
			must(err)
			fmt.Printf("types %v %v\n", mode, values)
		}
		must(rows.Err())
	}
	for _, text := range failing {
		_, err := c.Exec(ctx, text)
		tellPgx("error", err)
	}
	_, err = c.Exec(ctx, "SELECT tell($1)", 3)
	must(err)
	batch := &pgx.Batch{}
	for i := 0; i < 200; i++ {
		batch.Queue("INSERT INTO made (k, n) VALUES ($1, $2) RETURNING id", fmt.Sprint("b", i), i+1)
	}
	results := c.SendBatch(ctx, batch)
	for i := 0; i < 200; i++ {
		var id int
		must(results.QueryRow().Scan(&id))
	}
	must(results.Close())
	n, err := c.CopyFrom(ctx, pgx.Identifier{"made"}, []string{"k", "n"}, pgx.CopyFromSlice(500, func(i int) ([]any, error) {
		return []any{fmt.Sprint("c", i), int32(i + 1)}, nil
	}))
	fmt.Println("copy", n, err)
	tx, err := c.Begin(ctx)
	must(err)
	_, err = tx.Exec(ctx, "DELETE FROM made")
	must(err)
	must(tx.Rollback(ctx))
	var count int
	must(c.QueryRow(ctx, "SELECT count(*) FROM made").Scan(&count))
	fmt.Println("transaction", count)
	h := sha256.New()
	rows, err := c.Query(ctx, big)
	must(err)
	for rows.Next() {
		for _, raw := range rows.RawValues() {
			h.Write(raw)
		}
	}
	must(rows.Err())
	fmt.Printf("big %x\n", h.Sum(nil))
	_, err = c.Exec(ctx, "LISTEN ch; NOTIFY ch, 'payload'")
	must(err)
	note, err := c.WaitForNotification(ctx)
	must(err)
	fmt.Println("notify", note.Channel, note.Payload)
	time.AfterFunc(500*time.Millisecond, func() { _ = c.PgConn().CancelRequest(ctx) })
	_, err = c.Exec(ctx, "SELECT pg_sleep(60)")
	tellPgx("cancel", err)
	must(c.Close(ctx))
}

func withPq() {
	os.Setenv("PGSSLMODE", "disable")
	db, err := sql.Open("postgres", "")
	must(err)
	db.SetMaxOpenConns(1)
	for i := 0; i < 3; i++ {
		rows, err := db.Query("SELECT * FROM typed WHERE id <= $1 ORDER BY id", 2)
		must(err)
		names, _ := rows.Columns()
		for rows.Next() {
			values, places := make([]any, len(names)), make([]any, len(names))
			for i := range values {
				places[i] = &values[i]
			}
			must(rows.Scan(places...))
			fmt.Printf("types %v %v\n", names, values)
		}
		must(rows.Err())
	}
	for _, text := range failing {
		_, err := db.Exec(text)
		var e *pq.Error
		if errors.As(err, &e) {
			fmt.Println("error", e.Severity, e.Code, e.Message, e.Detail, e.Hint, e.Position, e.Constraint, e.Table)
		}
	}
	tx, err := db.Begin()
	must(err)
	in, err := tx.Prepare(pq.CopyIn("made", "k", "n"))
	must(err)
	for i := 0; i < 300; i++ {
		_, err = in.Exec(fmt.Sprint("q", i), i+1)
		must(err)
	}
	_, err = in.Exec()
	must(err)
	must(in.Close())
	must(tx.Commit())
	var count int
	must(db.QueryRow("SELECT count(*) FROM made").Scan(&count))
	fmt.Println("copied", count)
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	_, err = db.ExecContext(ctx, "SELECT pg_sleep(60)")
	cancel()
	fmt.Println("cancel", err)
	rows, err := db.Query(big)
	must(err)
	h := sha256.New()
	for rows.Next() {
		var i int
		var text string
		must(rows.Scan(&i, &text))
		fmt.Fprint(h, i, text)
	}
	fmt.Printf("big %x\n", h.Sum(nil))
	listener := pq.NewListener(strings.Join([]string{"host=" + os.Getenv("PGHOST"), "sslmode=disable"}, " "), time.Second, time.Second, nil)
	must(listener.Listen("ch"))
	_, err = db.Exec("NOTIFY ch, 'payload'")
	must(err)
	note := <-listener.Notify
	fmt.Println("notify", note.Channel, note.Extra)
	must(listener.Close())
}

func main() {
	map[string]func(){"pgx": withPgx, "pq": withPq}[os.Args[1]]()
}
