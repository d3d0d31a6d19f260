{
	"simple query",
	"> Q SELECT 1\n< T a\n< D 1\n< C SELECT 1\n< Z I\n",
	"Q SELECT 1",
	"T; D; C SELECT 1; Z I",
	"op 1 SELECT SELECT 1\nend 1 SELECT 1 1\n",
	.err = 0,
},
{
	"empty query",
	"> Q \n< I\n< Z I\n",
	"Q ",
	"I; Z I",
	"op 1 empty \nend 1 - 0\n",
	.err = 0,
},
{
	"denied while idle: nothing reaches the server",
	"> Q SELECT * FROM secrets\n> Q SELECT 1\n< T a\n< C SELECT 0\n< Z I\n",
	"Q SELECT 1",
	"E ERROR 42501 sluice; Z I; T; C SELECT 0; Z I",
	"op 1 SELECT denied SELECT * FROM secrets\nop 2 SELECT SELECT 1\nend 2 SELECT 0 0\n",
	.err = 0,
},
{
	"one denied statement of several",
	"> Q SELECT 1; SELECT * FROM secrets\n",
	"",
	"E ERROR 42501 sluice; Z I",
	"op 1 SELECT; SELECT denied SELECT 1; SELECT * FROM secrets\n",
	.err = 0,
},
{
	"denied in a transaction: the server fails too",
	"> Q BEGIN\n< C BEGIN\n< Z T\n> Q SELECT * FROM secrets\n"
	"< E ERROR~42601~syntax error\n< Z E\n> Q ROLLBACK\n< C ROLLBACK\n< Z I\n",
	"Q BEGIN; Q sluice: refused by policy; Q ROLLBACK",
	"C BEGIN; Z T; E ERROR 42501 sluice; Z E; C ROLLBACK; Z I",
	"op 1 BEGIN BEGIN\nend 1 BEGIN 0\nop 2 SELECT denied SELECT * FROM secrets\n"
	"op 3 ROLLBACK ROLLBACK\nend 3 ROLLBACK 0\n",
	.err = 0,
},
{
	"denied behind one that is not answered: in order",
	"> Q SELECT 1\n> Q SELECT * FROM secrets\n< C SELECT 1\n< Z I\n< E ERROR~42601~syntax error\n< Z I\n",
	"Q SELECT 1; Q sluice: refused by policy",
	"C SELECT 1; Z I; E ERROR 42501 sluice; Z I",
	"op 1 SELECT SELECT 1\nop 2 SELECT denied SELECT * FROM secrets\nend 1 SELECT 1 1\n",
	.err = 0,
},
{
	"the server's poison must fail",
	"> Q BEGIN\n< C BEGIN\n< Z T\n> Q SELECT * FROM secrets\n< C SELECT 1\n",
	"Q BEGIN; Q sluice: refused by policy",
	"C BEGIN; Z T; E FATAL 08P01 sluice",
	"op 1 BEGIN BEGIN\nend 1 BEGIN 0\nop 2 SELECT denied SELECT * FROM secrets\n",
	.err = ERR_STATE,
},
{
	"a text that does not parse",
	"> Q SYNTAX\n",
	"",
	"E ERROR 42601 at 1 scanner_yyerror; Z I",
	"op 1 ? denied SYNTAX\n",
	.err = 0,
},
{
	"extended query, one operation",
	"> P ~SELECT $1\n> B ~~x\n> D P~\n> E \n> S\n< 1\n< 2\n< T a\n< D x\n< C SELECT 1\n< Z I\n",
	"P ~SELECT $1; B ~~x; D P; E ; S",
	"1; 2; T; D; C SELECT 1; Z I",
	"op 1 SELECT SELECT $1~x\nend 1 SELECT 1 1\n",
	.err = 0,
},
{
	"prepared once, used twice",
	"> P s~SELECT $1\n> D S~s\n> S\n< 1\n< t\n< T a\n< Z I\n"
	"> B ~s~1\n> E \n> S\n< 2\n< D 1\n< C SELECT 1\n< Z I\n"
	"> B ~s~2\n> E \n> S\n< 2\n< D 2\n< C SELECT 1\n< Z I\n",
	"P s~SELECT $1; D Ss; S; B ~s~1; E ; S; B ~s~2; E ; S",
	"1; t; T; Z I; 2; D; C SELECT 1; Z I; 2; D; C SELECT 1; Z I",
	"op 1 PREPARE SELECT $1\nend 1 - 0\nop 2 SELECT SELECT $1~1\nend 2 SELECT 1 1\n"
	"op 3 SELECT SELECT $1~2\nend 3 SELECT 1 1\n",
	.err = 0,
},
{
	"denied at Parse: discarded to Sync, one ReadyForQuery",
	"> P ~SELECT * FROM secrets\n> D S~\n> B ~\n> E \n> S\n< E ERROR~26000~none\n< Z I\n",
	"B ~sluice: refused by policy~NULL; S",
	"E ERROR 42501 sluice; Z I",
	"op 1 PREPARE denied SELECT * FROM secrets\n",
	.err = 0,
},
{
	"denied at Bind",
	"> P ~SELECT * FROM secrets\n> B ~\n> E \n> S\n< E ERROR~26000~none\n< Z I\n",
	"B ~sluice: refused by policy~NULL; S",
	"E ERROR 42501 sluice; Z I",
	"op 1 SELECT denied SELECT * FROM secrets\n",
	.err = 0,
},
{
	"denied in the midst of a pipeline: what came before is answered, what comes behind is not",
	"> P ~SELECT 1\n> B ~\n> E \n> P ~SELECT * FROM secrets\n> B ~\n> E \n> P ~SELECT 2\n> B ~\n> E \n> S\n"
	"< 1\n< 2\n< C SELECT 1\n< E ERROR~26000~none\n< Z I\n",
	"P ~SELECT 1; B ~; E ; B ~sluice: refused by policy~NULL; S",
	"1; 2; C SELECT 1; E ERROR 42501 sluice; Z I",
	"op 1 SELECT SELECT 1\nop 2 SELECT denied SELECT * FROM secrets\nend 1 SELECT 1 1\n",
	.err = 0,
},
{
	"the server failed before: its error is shown, not ours",
	"> P ~SELECT 9\n> B ~\n> E \n> P ~SELECT * FROM secrets\n> B ~\n> E \n> S\n"
	"< 1\n< 2\n< E ERROR~22012~division by zero\n< Z I\n",
	"P ~SELECT 9; B ~; E ; B ~sluice: refused by policy~NULL; S",
	"1; 2; E ERROR 22012; Z I",
	"op 1 SELECT SELECT 9\nop 2 SELECT denied SELECT * FROM secrets\nend 1 - 0 22012\n",
	.err = 0,
},
{
	"an error of the server skips what is behind it, to the Sync",
	"> P ~SELECT 9\n> B ~\n> E \n> P ~SELECT 2\n> B ~\n> E \n> S\n> P ~SELECT 3\n> B ~\n> E \n> S\n"
	"< 1\n< 2\n< E ERROR~22012~division by zero\n< Z I\n< 1\n< 2\n< C SELECT 1\n< Z I\n",
	"P ~SELECT 9; B ~; E ; P ~SELECT 2; B ~; E ; S; P ~SELECT 3; B ~; E ; S",
	"1; 2; E ERROR 22012; Z I; 1; 2; C SELECT 1; Z I",
	"op 1 SELECT SELECT 9\nop 2 SELECT SELECT 2\nop 3 SELECT SELECT 3\nend 1 - 0 22012\nend 2 - 0 skipped\n"
	"end 3 SELECT 1 1\n",
	.err = 0,
},
{
	"an error that comes before the Sync is sent",
	"> P ~SELECT 9\n> B ~\n> E \n> H\n< 1\n< 2\n< E ERROR~22012~division by zero\n"
	"> P ~SELECT 2\n> B ~\n> Q SELECT 3\n> S\n< Z I\n",
	"P ~SELECT 9; B ~; E ; H; S",
	"1; 2; E ERROR 22012; Z I",
	"op 1 SELECT SELECT 9\nend 1 - 0 22012\n",
	.err = 0,
},
{
	"writes: autocommit waits for the disk, a block's end does, the inside does not",
	"> Q INSERT INTO t VALUES (1)\n< C INSERT 0 1\n< Z I\n> Q BEGIN\n< C BEGIN\n< Z T\n"
	"> Q INSERT INTO t VALUES (2)\n< C INSERT 0 2\n< Z T\n"
	"> Q COMMIT\n< C COMMIT\n< Z I\n> Q BEGIN\n< C BEGIN\n< Z T\n> Q SELECT 1\n< C SELECT 1\n< Z T\n"
	"> Q COMMIT\n< C COMMIT\n< Z I\n",
	"Q INSERT INTO t VALUES (1); Q BEGIN; Q INSERT INTO t VALUES (2); Q COMMIT; Q BEGIN; "
	"Q SELECT 1; Q COMMIT",
	"C INSERT 0 1; Z I; C BEGIN; Z T; C INSERT 0 2; Z T; C COMMIT; Z I; C BEGIN; Z T; "
	"C SELECT 1; Z T; C COMMIT; Z I",
	"op 1 INSERT permanent INSERT INTO t VALUES (1)\nend 1 INSERT 0 1 1\nop 2 BEGIN BEGIN\nend 2 BEGIN 0\n"
	"op 3 INSERT INSERT INTO t VALUES (2)\nend 3 INSERT 0 2 2\nop 4 COMMIT permanent COMMIT\n"
	"end 4 COMMIT 0\n"
	"op 5 BEGIN BEGIN\nend 5 BEGIN 0\nop 6 SELECT SELECT 1\nend 6 SELECT 1 1\n"
	"op 7 COMMIT COMMIT\nend 7 COMMIT 0\n",
	.err = 0,
},
{
	"the Sync that ends an implicit transaction with writes waits for the disk",
	"> P ~INSERT INTO t VALUES (1)\n> B ~\n> E \n> S\n< 1\n< 2\n< C INSERT 0 1\n< Z I\n"
	"> P ~SELECT 1\n> B ~\n> E \n> S\n"
	"< 1\n< 2\n< C SELECT 1\n< Z I\n",
	"P ~INSERT INTO t VALUES (1); B ~; E ; S; P ~SELECT 1; B ~; E ; S",
	"1; 2; C INSERT 0 1; Z I; 1; 2; C SELECT 1; Z I",
	"op 1 INSERT INSERT INTO t VALUES (1)\nbarrier\nend 1 INSERT 0 1 1\nop 2 SELECT SELECT 1\n"
	"end 2 SELECT 1 1\n",
	.err = 0,
},
{
	"a COMMIT that was bound before the write",
	"> Q BEGIN\n< C BEGIN\n< Z T\n> P c~COMMIT\n> B c~c\n> P ~INSERT INTO t VALUES (1)\n"
	"> B ~\n> E \n> E c\n> S\n"
	"< 1\n< 2\n< 1\n< 2\n< C INSERT 0 1\n< C COMMIT\n< Z I\n",
	"Q BEGIN; P c~COMMIT; B c~c; P ~INSERT INTO t VALUES (1); B ~; E ; E c; S",
	"C BEGIN; Z T; 1; 2; 1; 2; C INSERT 0 1; C COMMIT; Z I",
	"op 1 BEGIN BEGIN\nend 1 BEGIN 0\nop 2 COMMIT COMMIT\nop 3 INSERT INSERT INTO t VALUES (1)\nbarrier\n"
	"end 3 INSERT 0 1 1\nend 2 COMMIT 0\n",
	.err = 0,
},
{
	"a portal in pieces",
	"> P ~SELECT 3\n> B p~\n> E p~2\n> E p~2\n> C P~p\n> S\n"
	"< 1\n< 2\n< D 1\n< D 2\n< s\n< D 3\n< C SELECT 1\n< 3\n< Z I\n> E p\n> S\n< E ERROR~34000~no\n< Z I\n",
	"P ~SELECT 3; B p~; E p; E p; C Pp; S; B ~sluice: refused by policy~NULL; S",
	"1; 2; D; D; s; D; C SELECT 1; 3; Z I; E ERROR 34000 sluice; Z I",
	"op 1 SELECT SELECT 3\nop 2 FETCH SELECT 3\nend 1 SELECT 2\nend 2 SELECT 1 1\n",
	.err = 0,
},
{
	"a portal that never ran ends with its transaction",
	"> P ~SELECT 3\n> B p~\n> S\n< 1\n< 2\n< Z I\n> E p\n> S\n< E ERROR~34000~no\n< Z I\n",
	"P ~SELECT 3; B p~; S; B ~sluice: refused by policy~NULL; S",
	"1; 2; Z I; E ERROR 34000 sluice; Z I",
	"op 1 SELECT SELECT 3\nend 1 - 0\n",
	.err = 0,
},
{
	"a statement that was not prepared: the server says so itself",
	"> B ~nosuch\n> E \n> S\n< E ERROR~26000~no\n< Z I\n> D S~nosuch\n> S\n< E ERROR~26000~no\n< Z I\n",
	"B ~nosuch~NULL; S; B ~nosuch~NULL; S",
	"E ERROR 26000; Z I; E ERROR 26000; Z I",
	"",
	.err = 0,
},
{
	"names are told apart by 63 bytes",
	"> P aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXX~SELECT 1\n> S\n< 1\n< Z I\n"
	"> B ~aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggYY\n> S\n< 2\n< Z I\n",
	"P aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggXX~SELECT 1; S; "
	"B ~aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggYY; S",
	"1; Z I; 2; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 SELECT SELECT 1\nend 2 - 0\n",
	.err = 0,
},
{
	"PREPARE and EXECUTE in SQL, in one text and in several",
	"> Q PREPARE r AS SELECT 1; EXECUTE r\n< C PREPARE\n< C SELECT 1\n< Z I\n> Q EXECUTE r\n"
	"< C SELECT 1\n< Z I\n"
	"> B ~r\n> E \n> S\n< 2\n< C SELECT 1\n< Z I\n> Q DEALLOCATE r\n< C DEALLOCATE\n< Z I\n> Q EXECUTE r\n",
	"Q PREPARE r AS SELECT 1; EXECUTE r; Q EXECUTE r; B ~r; E ; S; Q DEALLOCATE r",
	"C PREPARE; C SELECT 1; Z I; C SELECT 1; Z I; 2; C SELECT 1; Z I; C DEALLOCATE; Z I; "
	"E ERROR 42501 sluice; Z I",
	"op 1 PREPARE; EXECUTE PREPARE r AS SELECT 1; EXECUTE r\nend 1 SELECT 1 1\n"
	"op 2 EXECUTE EXECUTE r\nend 2 SELECT 1 1\n"
	"op 3 PREPARE PREPARE r AS SELECT 1\nend 3 SELECT 1 1\nop 4 DEALLOCATE DEALLOCATE r\n"
	"end 4 DEALLOCATE 0\n"
	"op 5 EXECUTE denied permanent EXECUTE r\n",
	.err = 0,
},
{
	"SQL uses what the protocol prepared",
	"> P s~SELECT 1\n> S\n< 1\n< Z I\n> Q EXECUTE s\n< C SELECT 1\n< Z I\n> C S~s\n> S\n< 3\n"
	"< Z I\n> Q EXECUTE s\n",
	"P s~SELECT 1; S; Q EXECUTE s; C Ss; S",
	"1; Z I; C SELECT 1; Z I; 3; Z I; E ERROR 42501 sluice; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 EXECUTE EXECUTE s\nend 2 SELECT 1 1\n"
	"op 3 EXECUTE denied permanent EXECUTE s\n",
	.err = 0,
},
{
	"a Query drops the unnamed statement",
	"> P ~SELECT 1\n> S\n< 1\n< Z I\n> Q SELECT 2\n< C SELECT 1\n< Z I\n> B ~\n> E \n> S\n"
	"< E ERROR~26000~no\n< Z I\n",
	"P ~SELECT 1; S; Q SELECT 2; B ~~NULL; S",
	"1; Z I; C SELECT 1; Z I; E ERROR 26000; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 SELECT SELECT 2\nend 2 SELECT 1 1\n",
	.err = 0,
},
{
	"a name that is made by an unanswered message of an earlier segment: its use waits",
	"> P s~SELECT 1\n> S\n> B ~s\n> E \n> S\n< 1\n< Z I\n|\n< 2\n< C SELECT 1\n< Z I\n",
	"P s~SELECT 1; S; B ~s; E ; S",
	"1; Z I; 2; C SELECT 1; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 SELECT SELECT 1\nend 2 SELECT 1 1\n",
	.err = 0,
},
{
	"a second Parse of a name fails: the first one stays",
	"> P s~SELECT 1\n> S\n< 1\n< Z I\n> P s~DELETE FROM t\n> S\n< E ERROR~42P05~exists\n< Z I\n"
	"> B ~s\n> E \n> S\n< 2\n< C SELECT 1\n< Z I\n",
	"P s~SELECT 1; S; P s~DELETE FROM t; S; B ~s; E ; S",
	"1; Z I; E ERROR 42P05; Z I; 2; C SELECT 1; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 PREPARE DELETE FROM t\nend 2 - 0 42P05\n"
	"op 3 SELECT SELECT 1\nend 3 SELECT 1 1\n",
	.err = 0,
},
{
	"a text that changes how the next is read: that waits, and the server is made to answer",
	"> P ~SET search_path = x\n> B ~\n> E \n> P ~SELECT 1\n> B ~\n> E \n> S\n"
	"< 1\n< 2\n< C SET\n|\n< 1\n< 2\n< C SELECT 1\n< Z I\n",
	"P ~SET search_path = x; B ~; E ; H; P ~SELECT 1; B ~; E ; S",
	"1; 2; C SET; 1; 2; C SELECT 1; Z I",
	"op 1 SET SET search_path = x\nend 1 SET 0\nop 2 SELECT SELECT 1\nend 2 SELECT 1 1\n",
	.err = 0,
},
{
	"COPY in, simple",
	"> Q COPY t FROM STDIN\n< G\n> d 1\n> d 2\n> c\n< C COPY 2\n< Z I\n",
	"Q COPY t FROM STDIN; d; d; c",
	"G; C COPY 2; Z I",
	"op 1 COPY permanent COPY t FROM STDIN\nend 1 COPY 2 2\n",
	.err = 0,
},
{
	"COPY in, failed by the client",
	"> Q COPY t FROM STDIN\n< G\n> d 1\n> f enough\n< E ERROR~57014~enough\n< Z I\n> d stray\n"
	"> c\n> Q SELECT 1\n",
	"Q COPY t FROM STDIN; d; f enough; Q SELECT 1",
	"G; E ERROR 57014; Z I",
	"op 1 COPY permanent COPY t FROM STDIN\nend 1 - 0 57014\nop 2 SELECT SELECT 1\n",
	.err = 0,
},
{
	"COPY in, extended: the Sync before the data is ignored by the server",
	"> P ~COPY t FROM STDIN\n> B ~\n> E \n> S\n< 1\n< 2\n< G\n> d 1\n> c\n> S\n< C COPY 1\n< Z I\n",
	"P ~COPY t FROM STDIN; B ~; E ; S; d; c; S",
	"1; 2; G; C COPY 1; Z I",
	"op 1 COPY COPY t FROM STDIN\nbarrier\nend 1 COPY 1 1\n",
	.err = 0,
},
{
	"COPY in, all sent at once",
	"> P ~COPY t FROM STDIN\n> B ~\n> E \n> S\n> d 1\n> c\n> S\n< 1\n< 2\n< G\n< C COPY 1\n"
	"< Z I\n> Q SELECT 1\n",
	"P ~COPY t FROM STDIN; B ~; E ; S; d; c; S; Q SELECT 1",
	"1; 2; G; C COPY 1; Z I",
	"op 1 COPY COPY t FROM STDIN\nbarrier\nend 1 COPY 1 1\nop 2 SELECT SELECT 1\n",
	.err = 0,
},
{
	"COPY in, extended, fails before data is read: both Syncs are answered",
	"> P ~COPY t FROM STDIN\n> B ~\n> E \n> S\n> d 1\n> c\n> S\n< 1\n< 2\n< E ERROR~42P01~no\n"
	"< Z I\n< Z I\n",
	"P ~COPY t FROM STDIN; B ~; E ; S; d; c; S",
	"1; 2; E ERROR 42P01; Z I; Z I",
	"op 1 COPY COPY t FROM STDIN\nbarrier\nend 1 - 0 42P01\n",
	.err = 0,
},
{
	"another message in the midst of COPY ends the flow",
	"> Q COPY t FROM STDIN\n< G\n> Q SELECT 1\n",
	"Q COPY t FROM STDIN",
	"G; E FATAL 08P01 sluice",
	"op 1 COPY permanent COPY t FROM STDIN\n",
	.err = ERR_STATE,
},
{
	"COPY out",
	"> Q COPY t TO STDOUT\n< H\n< d 1\n< d 2\n< c\n< C COPY 2\n< Z I\n",
	"Q COPY t TO STDOUT",
	"H; d; d; c; C COPY 2; Z I",
	"op 1 COPY COPY t TO STDOUT\nend 1 COPY 2 2\n",
	.err = 0,
},
{
	"COPY both is for replication: refused",
	"> Q SELECT 1\n< W\n",
	"Q SELECT 1",
	"E FATAL 08P01 sluice",
	"op 1 SELECT SELECT 1\n",
	.err = ERR_STATE,
},
{
	"messages at any time",
	"< N NOTICE~00000~x\n< A\n< S TimeZone~UTC\n> Q SELECT 1\n< N NOTICE~00000~x\n< T a\n< A\n"
	"< D 1\n< S x~y\n< C SELECT 1\n"
	"< A\n< Z I\n",
	"Q SELECT 1",
	"N; A; S TimeZone~UTC; N; T; A; D; S x~y; C SELECT 1; A; Z I",
	"op 1 SELECT SELECT 1\nend 1 SELECT 1 1\n",
	.err = 0,
},
{
	"standard_conforming_strings off, seen in ParameterStatus: nothing can be read",
	"< S standard_conforming_strings~off\n> Q SELECT 1\n< S standard_conforming_strings~on\n> Q SELECT 2\n",
	"Q SELECT 2",
	"S standard_conforming_strings~off; E ERROR 42501 sluice; Z I; S standard_conforming_strings~on",
	"op 1 unclassified denied permanent SELECT 1\nop 2 SELECT SELECT 2\n",
	.err = 0,
},
{
	"client_encoding that cannot be followed",
	"< S client_encoding~SJIS\n> Q SELECT 1\n",
	"",
	"S client_encoding~SJIS; E ERROR 42501 sluice; Z I",
	"op 1 unclassified denied permanent SELECT 1\n",
	.err = 0,
},
{
	"FunctionCall",
	"> F 1598\n> Q SELECT 1\n< C SELECT 1\n< Z I\n",
	"Q SELECT 1",
	"E ERROR 42501 sluice; Z I; C SELECT 1; Z I",
	"op 1 unclassified denied permanent FunctionCall of the function with OID 1598\nop 2 SELECT SELECT 1\n"
	"end 2 SELECT 1 1\n",
	.err = 0,
},
{
	"FunctionCall in a transaction",
	"> Q BEGIN\n< C BEGIN\n< Z T\n> F 1598\n< E ERROR~42601~syntax error\n< Z E\n",
	"Q BEGIN; Q sluice: refused by policy",
	"C BEGIN; Z T; E ERROR 42501 sluice; Z E",
	"op 1 BEGIN BEGIN\nend 1 BEGIN 0\n"
	"op 2 unclassified denied permanent FunctionCall of the function with OID 1598\n",
	.err = 0,
},
{
	"where a rule lets unclassified text through",
	"> F 1598\n< V\n< Z I\n> Q SYNTAX\n< C WHO KNOWS\n< C CARES 3\n< Z I\n> B ~nosuch\n> E \n"
	"> S\n< 2\n< C SELECT 1\n< Z I\n",
	"F; Q SYNTAX; B ~nosuch; E ; S",
	"V; Z I; C WHO KNOWS; C CARES 3; Z I; 2; C SELECT 1; Z I",
	"op 1 unclassified permanent FunctionCall of the function with OID 1598\nend 1 - 0\n"
	"op 2 unclassified permanent SYNTAX\nend 2 CARES 3 3\nop 3 unclassified permanent \nend 3 SELECT 1 1\n",
	.is_opaque_allowed = true,
},
{
	"cursors: declared, fetched by either protocol, closed",
	"> Q DECLARE c CURSOR FOR SELECT 1\n< C DECLARE CURSOR\n< Z T\n> Q FETCH c\n< C FETCH 1\n< Z T\n"
	"> E c~1\n> S\n< D 1\n< s\n< Z T\n> Q CLOSE c\n< C CLOSE CURSOR\n< Z T\n> Q FETCH c\n"
	"< E ERROR~42601~x\n< Z E\n",
	"Q DECLARE c CURSOR FOR SELECT 1; Q FETCH c; E c; S; Q CLOSE c; Q sluice: refused by policy",
	"C DECLARE CURSOR; Z T; C FETCH 1; Z T; D; s; Z T; C CLOSE CURSOR; Z T; E ERROR 42501 sluice; Z E",
	"op 1 DECLARE CURSOR DECLARE c CURSOR FOR SELECT 1\nend 1 DECLARE CURSOR 0\n"
	"op 2 FETCH FETCH c\nend 2 FETCH 1 1\n"
	"op 3 FETCH DECLARE c CURSOR FOR SELECT 1\nend 3 SELECT 1\n"
	"op 4 CLOSE CLOSE c\nend 4 CLOSE CURSOR 0\nop 5 FETCH denied permanent FETCH c\n",
	.err = 0,
},
{
	"rows and columns for the record",
	"> Q SELECT 1\n< T a~b\n< D 1~NULL\n< C SELECT 1\n< Z I\n"
	"> P ~SELECT 2\n> B ~\n> D P~\n> E \n> S\n< 1\n< 2\n< T c\n< D 2\n< D 3\n< C SELECT 2\n< Z I\n"
	"> Q COPY t TO STDOUT\n< H\n< d line\n< c\n< C COPY 1\n< Z I\n",
	"Q SELECT 1; P ~SELECT 2; B ~; D P; E ; S; Q COPY t TO STDOUT",
	"T; D; C SELECT 1; Z I; 1; 2; T; D; D; C SELECT 2; Z I; H; d; c; C COPY 1; Z I",
	"op 1 SELECT SELECT 1\ncolumns 1 a/0 b/0\nrow 1 1 NULL\nend 1 SELECT 1 1\n"
	"op 2 SELECT SELECT 2\ncolumns 2 c/0\n"
	"row 2 2\nrow 2 3\nend 2 SELECT 2 2\nop 3 COPY COPY t TO STDOUT\nrow 3 line\nend 3 COPY 1 1\n",
	.wants_rows = true,
},
{
	"the server ends the session",
	"> Q SELECT 1\n< E FATAL~57P01~going down\n",
	"Q SELECT 1",
	"E FATAL 57P01",
	"op 1 SELECT SELECT 1\nend 1 - 0 57P01\n",
	.err = 0,
},
{
	"an answer to nothing",
	"< C SELECT 1\n",
	"",
	"E FATAL 08P01 sluice",
	"",
	.err = ERR_STATE,
},
{
	"an answer to something else",
	"> P ~SELECT 1\n> D S~\n> S\n< 2\n",
	"P ~SELECT 1; D S; S",
	"E FATAL 08P01 sluice",
	"op 1 PREPARE SELECT 1\n",
	.err = ERR_STATE,
},
{
	"Terminate",
	"> X\n",
	"X",
	"",
	"",
	.err = ERR_CLOSED,
},
{
	"Terminate behind what runs: it is answered first, what comes behind is dropped",
	"> Q SELECT 1\n> X\n> Q SELECT 2\n< T a\n< D 1\n< C SELECT 1\n< Z I\n",
	"Q SELECT 1; X",
	"T; D; C SELECT 1; Z I",
	"op 1 SELECT SELECT 1\nend 1 SELECT 1 1\n",
	.err = ERR_CLOSED,
},
{
	"a message that no client sends",
	"> p secret\n",
	"",
	"E FATAL 08P01 sluice",
	"",
	.err = ERR_MALFORMED,
},
{
	"behind unclassified text: names are kept, statements are still told apart",
	"> P s~SELECT 1\n> S\n< 1\n< Z I\n> Q SYNTAX\n< C X\n< Z I\n> B ~s\n> E \n> S\n< 2\n< C SELECT 1\n< Z I\n"
	"> Q SELECT 2\n< C SELECT 1\n< Z I\n",
	"P s~SELECT 1; S; Q SYNTAX; B ~s; E ; S; Q SELECT 2",
	"1; Z I; C X; Z I; 2; C SELECT 1; Z I; C SELECT 1; Z I",
	"op 1 PREPARE SELECT 1\nend 1 - 0\nop 2 unclassified permanent SYNTAX\nend 2 X 0\nop 3 SELECT SELECT 1\n"
	"end 3 SELECT 1 1\nop 4 SELECT SELECT 2\nend 4 SELECT 1 1\n",
	.is_opaque_allowed = true,
},
{
	"text that is no UTF-8",
	"> Q SELECT '\xff'\n",
	"",
	"E ERROR 22021 sluice; Z I",
	"op 1 ? denied SELECT '\xff'\n",
	.err = 0,
},
{
	"replication: a command, then a stream both ways",
	"> Q IDENTIFY_SYSTEM\n< T systemid\n< D 1\n< C IDENTIFY_SYSTEM\n< Z I\n> Q START_REPLICATION 0/1\n< W\n"
	"< d wal1\n> d r\n< d wal22\n> c\n< c\n< C COPY 0\n< Z I\n",
	"Q IDENTIFY_SYSTEM; Q START_REPLICATION 0/1; d; c",
	"T; D; C IDENTIFY_SYSTEM; Z I; W; d; d; c; C COPY 0; Z I",
	"op 1 IDENTIFY_SYSTEM permanent IDENTIFY_SYSTEM\nend 1 IDENTIFY_SYSTEM 0\n"
	"op 2 START_REPLICATION permanent START_REPLICATION 0/1\nend 2 COPY 9 bytes 0\n",
	.err = 0,
	.is_replication = true,
},
{
	"replication: no extended protocol",
	"> P ~SELECT 1\n",
	"",
	"E FATAL 08P01 sluice",
	"",
	.err = ERR_STATE,
	.is_replication = true,
},
{
	"CopyBothResponse outside of replication",
	"> Q SELECT 1\n< W\n",
	"Q SELECT 1",
	"E FATAL 08P01 sluice",
	"op 1 SELECT SELECT 1\n",
	.err = ERR_STATE,
},
{
	"a suspended portal read on: each Execute by itself",
	"> Q BEGIN\n< C BEGIN\n< Z T\n> P ~SELECT a FROM t\n> B p~\n> E p~1\n> S\n< 1\n< 2\n< D 1\n< s\n< Z T\n"
	"> E p~1\n> S\n< D 2\n< s\n< Z T\n> E p\n> S\n< D 3\n< C SELECT 1\n< Z T\n",
	"Q BEGIN; P ~SELECT a FROM t; B p~; E p; S; E p; S; E p; S",
	"C BEGIN; Z T; 1; 2; D; s; Z T; D; s; Z T; D; C SELECT 1; Z T",
	"op 1 BEGIN BEGIN\nend 1 BEGIN 0\nop 2 SELECT SELECT a FROM t\nend 2 SELECT 1\nop 3 FETCH SELECT a FROM t\n"
	"end 3 SELECT 1\nop 4 FETCH SELECT a FROM t\nend 4 SELECT 1 1\n",
	.err = 0,
},
{
	"other rules between Bind and Execute: decided again",
	"> P ~SELECT a FROM t\n> B ~\n> H\n< 1\n< 2\n!\n> E\n> S\n< D 1\n< C SELECT 1\n< Z I\n",
	"P ~SELECT a FROM t; B ~; H; E ; S",
	"1; 2; D; C SELECT 1; Z I",
	"op 1 SELECT SELECT a FROM t\nop 2 SELECT SELECT a FROM t\nend 1 - 0 skipped\nend 2 SELECT 1 1\n",
	.err = 0,
},
{
	"other rules that hide what a portal reads",
	"> P ~SELECT a FROM t\n> B ~\n> H\n< 1\n< 2\n! t\n> E\n> S\n< E ERROR~26000~no\n< Z I\n",
	"P ~SELECT a FROM t; B ~; H; B ~sluice: refused by policy~NULL; S",
	"1; 2; E ERROR 42501 sluice; Z I",
	"op 1 SELECT SELECT a FROM t\nop 2 SELECT denied SELECT a FROM t\nend 1 - 0\n",
	.err = 0,
},
{
	"a held cursor read by Execute after other rules",
	"> Q DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t\n< C DECLARE CURSOR\n< Z I\n> E c~1\n"
	"> S\n< D 1\n< s\n< Z I\n! t\n"
	"> E c~1\n> S\n< E ERROR~26000~no\n< Z I\n> Q FETCH 1 FROM c\n",
	"Q DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t; E c; S; B ~sluice: refused by policy~NULL; S",
	"C DECLARE CURSOR; Z I; D; s; Z I; E ERROR 42501 sluice; Z I; E ERROR 42501 sluice; Z I",
	"op 1 DECLARE CURSOR DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t\nend 1 DECLARE CURSOR 0\n"
	"op 2 FETCH DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t\nend 2 SELECT 1\n"
	"op 3 FETCH denied DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t\nop 4 FETCH denied FETCH 1 FROM c\n",
	.err = 0,
},
