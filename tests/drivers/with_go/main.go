// with_go PORT DATABASE: the same rows through pgx, in each of its ways to run a query: binary where it prepares or
// describes, text where it does not.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(way string, rows [][]string) {
	line, err := json.Marshal(map[string]any{"way": way, "rows": rows})
	check(err)
	fmt.Println(string(line))
}

func read(ctx context.Context, conn *pgx.Conn, mode pgx.QueryExecMode) {
	answer, err := conn.Query(ctx, "SELECT * FROM typed ORDER BY id", mode)
	check(err)
	var rows [][]string
	for answer.Next() {
		values, err := answer.Values()
		check(err)
		row := []string{}
		for _, v := range values {
			if v == nil {
				row = append(row, "null")
			} else {
				row = append(row, fmt.Sprintf("%+v", v))
			}
		}
		rows = append(rows, row)
	}
	check(answer.Err())
	say("pgx, "+mode.String(), rows)
}

func copyOut(ctx context.Context, conn *pgx.Conn) {
	var out bytes.Buffer
	_, err := conn.PgConn().CopyTo(ctx, &out, `COPY typed TO STDOUT (NULL 'null')`)
	check(err)
	var rows [][]string
	for _, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		rows = append(rows, strings.Split(line, "\t"))
	}
	say("pgx COPY", rows)
}

func main() {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://agent:any@127.0.0.1:%s/%s?sslmode=disable", os.Args[1], os.Args[2]))
	check(err)
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	for _, mode := range modes {
		read(ctx, conn, mode)
	}
	copyOut(ctx, conn)
	check(conn.Close(ctx))
}
